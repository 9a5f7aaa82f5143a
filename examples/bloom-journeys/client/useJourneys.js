// One journey that is being edited: loading it is the page's, saving it and resolving conflicts is what BLOOM-203 adds.
import { useCallback, useState } from 'react';
import { apiClient } from './apiClient.js';

export function useJourneys(journeyId, showToast) {
  const [currentJourney, setCurrentJourney] = useState(null);
  const [conflictDialog, setConflictDialog] = useState({ open: false });

  const loadJourney = useCallback(async (id) => {
    const response = await apiClient.get(`/journeys/${id}`);
    setCurrentJourney(response.data);
  }, []);

  // Add to useJourneys hook
  const updateJourney = async (journeyId, updates) => {
    try {
      const response = await apiClient.put(`/journeys/${journeyId}`, {
        ...updates,
        version: currentJourney.version
      });
      
      // Update local state with new version
      setCurrentJourney(response.data);
      showToast('Journey saved successfully', 'success');
      
    } catch (error) {
      if (error.response?.status === 409) {
        // Conflict detected - show resolution dialog
        setConflictDialog({
          open: true,
          serverVersion: error.response.data.serverVersion,
          clientVersion: currentJourney,
          pendingChanges: updates
        });
      } else {
        showToast('Failed to save journey', 'error');
        throw error;
      }
    }
  };

  // Conflict resolution handler
  const resolveConflict = async (strategy, mergedData) => {
    switch (strategy) {
      case 'overwrite':
        // Force update with latest version from server
        await apiClient.put(`/journeys/${journeyId}`, {
          ...mergedData,
          version: conflictDialog.serverVersion.version
        });
        break;
        
      case 'refresh':
        // Discard local changes and reload
        await loadJourney(journeyId);
        break;
        
      case 'merge':
        // Apply user-resolved merge
        await apiClient.put(`/journeys/${journeyId}`, {
          ...mergedData,
          version: conflictDialog.serverVersion.version
        });
        break;
    }
    
    setConflictDialog({ open: false });
  };

  return { currentJourney, conflictDialog, loadJourney, updateJourney, resolveConflict };
}

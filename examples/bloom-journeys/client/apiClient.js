// The page's way to the API: what BLOOM-203 adds to it, and nothing else.
import axios from 'axios';
import { analytics } from './analytics.js';

export const apiClient = axios.create({ baseURL: '/api' });

// Enhanced error handling for 409 responses
apiClient.interceptors.response.use(
  (response) => response,
  (error) => {
    if (error.response?.status === 409) {
      // Log conflict for analytics
      analytics.track('journey_conflict_detected', {
        journeyId: error.config.url,
        timestamp: new Date().toISOString()
      });
      
      // Enhance error with user-friendly message
      error.userMessage = 'Someone else edited this journey while you were working. Please review the changes.';
    }
    return Promise.reject(error);
  }
);

// Add retry logic for transient failures (not 409s)
const MAX_RETRIES = 3;
const RETRY_DELAY = 1000;

apiClient.interceptors.response.use(
  null,
  async (error) => {
    const { config } = error;
    
    // Don't retry on conflicts
    if (error.response?.status === 409) {
      return Promise.reject(error);
    }
    
    config.retryCount = config.retryCount || 0;
    
    if (config.retryCount < MAX_RETRIES) {
      config.retryCount++;
      await new Promise(resolve => setTimeout(resolve, RETRY_DELAY * config.retryCount));
      return apiClient(config);
    }
    
    return Promise.reject(error);
  }
);

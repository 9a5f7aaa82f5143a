// Saving content with React Query, as the client guide of TRAVI CMS shows it.
import { useMutation } from '@tanstack/react-query';

export class ConflictError extends Error {
  constructor(data) {
    super(data.message);
    this.data = data;
  }
}

export function useUpdateContent(showConflictDialog) {
  const updateContent = useMutation({
    mutationFn: async ({ id, data, etag }) => {
      const res = await fetch(`/api/contents/${id}`, {
        method: 'PATCH',
        headers: {
          'Content-Type': 'application/json',
          'If-Match': etag,
        },
        body: JSON.stringify(data),
      });
      
      if (res.status === 409) {
        const conflict = await res.json();
        throw new ConflictError(conflict);
      }
      
      return res.json();
    },
    onError: (error) => {
      if (error instanceof ConflictError) {
        // Show conflict resolution dialog
        showConflictDialog(error.data);
      }
    },
  });
  return updateContent;
}

// Reading and writing content with fetch, as the client guide of TRAVI CMS shows it.

export async function readContent() {
  // Fetch content and get ETag
  const response = await fetch('/api/contents/123');
  const content = await response.json();
  const etag = response.headers.get('ETag');
  return { content, etag, lastModified: response.headers.get('Last-Modified') };
}

export async function updateContent(updatedContent, etag) {
  // Update with version check
  const updateResponse = await fetch('/api/contents/123', {
    method: 'PATCH',
    headers: {
      'Content-Type': 'application/json',
      'If-Match': etag, // Send the ETag
    },
    body: JSON.stringify(updatedContent),
  });

  if (updateResponse.status === 409) {
    // Handle conflict
    const conflict = await updateResponse.json();
    console.log('Conflict detected:', conflict.message);
    // Show user options: refresh, force save, or merge
    return { status: 409, etag: updateResponse.headers.get('ETag'), conflict };
  }
  return { status: updateResponse.status, etag: updateResponse.headers.get('ETag'), content: await updateResponse.json() };
}

// 1. Refresh
export async function refresh(conflict) {
  // Fetch fresh content
  const fresh = await fetch(conflict.resolution.refreshUrl);
  const content = await fresh.json();
  // Re-apply user's changes if possible
  return { content, etag: fresh.headers.get('ETag') };
}

// 2. Force save
export async function forceSave(id, localData) {
  // Remove If-Match header to bypass check
  const res = await fetch(`/api/contents/${id}`, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(localData),
  });
  return { status: res.status, etag: res.headers.get('ETag'), content: await res.json() };
}

// 3. Merge
export async function merge(id, { getLocalDraft, showMergeDialog, saveContent }) {
  // Fetch both versions
  const serverVersion = await fetch(`/api/contents/${id}`).then(r => r.json());
  const localVersion = getLocalDraft();

  // Show diff UI for manual merge
  showMergeDialog({
    server: serverVersion,
    local: localVersion,
    onMerge: (merged) => saveContent(merged),
  });
}

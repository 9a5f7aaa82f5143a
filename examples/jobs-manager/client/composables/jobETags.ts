import { readonly, ref } from 'vue'

// src/composables/useJobETags.ts
export function useJobETags() {
  const etagByJob = ref(new Map<string, string>())

  const getETag = (jobId: string): string | null => {
    return etagByJob.value.get(jobId) || null
  }

  const setETag = (jobId: string, etag: string): void => {
    if (etag) {
      etagByJob.value.set(jobId, etag)
    }
  }

  const clearETag = (jobId: string): void => {
    etagByJob.value.delete(jobId)
  }

  const clearAllETags = (): void => {
    etagByJob.value.clear()
  }

  return {
    getETag: readonly(getETag),
    setETag,
    clearETag,
    clearAllETags,
  }
}

import axios from 'axios'
import { useJobsStore } from '@/stores/jobs'
import { ConcurrencyError } from '@/types/concurrency'
import { extractJobId, isJobEndpoint, isJobMutationEndpoint } from './jobEndpoints'

// src/plugins/axios.ts (enhanced)
import { useJobETags } from '@/composables/useJobETags'

// Response interceptor - capture ETags
axios.interceptors.response.use(
  (response) => {
    const url = response.config.url || ''
    const etag = response.headers['etag']

    if (etag && isJobEndpoint(url)) {
      const jobId = extractJobId(url)
      if (jobId) {
        const { setETag } = useJobETags()
        setETag(jobId, etag)
      }
    }

    return response
  },
  // ... existing error handling
)

// Request interceptor - add If-Match
axios.interceptors.request.use(
  (config) => {
    const url = config.url || ''

    if (isJobMutationEndpoint(url)) {
      const jobId = extractJobId(url)
      if (jobId) {
        const { getETag } = useJobETags()
        const etag = getETag(jobId)
        if (etag) {
          config.headers['If-Match'] = etag
        }
      }
    }

    return config
  },
  // ... existing error handling
)

// Error interceptor enhancement
axios.interceptors.response.use(
  // ... success handling
  (response) => response,
  async (error) => {
    if (error.response?.status === 412) {
      const url = error.config?.url || ''
      const jobId = extractJobId(url)

      if (jobId) {
        // Trigger job reload
        const jobsStore = useJobsStore()
        await jobsStore.reloadJobOnConflict(jobId)

        // Create concurrency error with retry capability
        const concurrencyError = new ConcurrencyError(
          'This job was updated by another user. Data reloaded. Please retry your changes.',
          jobId,
          async () => {
            // Retry logic would be implemented here
            await axios.request(error.config)
          },
        )

        throw concurrencyError
      }
    }

    return Promise.reject(error)
  },
)

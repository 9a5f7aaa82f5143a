// One browser with the client in it. Commands come as JSON, a line each, and so do their outcomes.
import { subscribe } from 'node:diagnostics_channel'
import { register } from 'node:module'
import { createInterface } from 'node:readline'

register('./loader.mjs', import.meta.url)

// What went out, as the HTTP client of node has it: after every interceptor.
let sent = []
subscribe('http.client.request.start', ({ request }) => {
  sent.push({ method: request.method, path: request.path, if_match: request.getHeader('if-match') ?? null })
})

const { default: axios } = await import('axios')
await import('@/plugins/axios')
const { useJobETags } = await import('@/composables/useJobETags')
const { useJobsStore } = await import('@/stores/jobs')
axios.defaults.baseURL = process.env.BASE_URL
axios.defaults.proxy = false

let conflict = null

async function request({ method, url, data }) {
  try {
    const answer = await axios.request({ method, url, data })
    return { status: answer.status, etag: answer.headers.etag ?? null, data: answer.data }
  } catch (error) {
    if (error.name === 'ConcurrencyError') conflict = error
    return { error: error.name, message: error.message, job: error.jobId ?? null, status: error.response?.status ?? null, data: error.response?.data }
  }
}

const commands = {
  request,
  // The user presses "retry" on the notice of the conflict.
  retry: async () => {
    try {
      await conflict.retry()
      return { error: null }
    } catch (error) {
      return { error: error.name, message: error.message }
    }
  },
  etag: async ({ job }) => ({ etag: useJobETags().getETag(job) }),
  store: async () => useJobsStore().store,
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line)
  sent = []
  const outcome = await commands[command](rest)
  process.stdout.write(`${JSON.stringify({ ...outcome, sent })}\n`)
}

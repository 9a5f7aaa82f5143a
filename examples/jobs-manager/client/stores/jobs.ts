// The part of the job store that the plan describes: after a conflict the job is loaded anew into every section, and the user is told.
import axios from 'axios'
import { reactive } from 'vue'

type Section = Record<string, unknown>

const store = reactive({
  detailed: {} as Section,
  headers: {} as Section,
  basicInfo: {} as Section,
  reloads: 0,
})

const load = async (url: string): Promise<unknown> => (await axios.get(url)).data

const reloadJobOnConflict = async (jobId: string): Promise<void> => {
  store.reloads += 1
  store.detailed[jobId] = await load(`/job/rest/jobs/${jobId}/`)
  store.headers[jobId] = await load(`/job/rest/jobs/${jobId}/header/`)
  store.basicInfo[jobId] = await load(`/job/rest/jobs/${jobId}/basic-info/`)
}

export const useJobsStore = () => ({ store, reloadJobOnConflict })

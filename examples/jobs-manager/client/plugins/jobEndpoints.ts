// The plan names these helpers and lists the URLs. They go by the URL alone, as the plan does: a GET of a job is a "mutation endpoint" too.
const JOB_ENDPOINT =
  /\/job\/rest\/jobs\/([^/?]+)\/(?:header\/|basic-info\/|costs\/summary\/|events\/|events\/create\/|invoices\/|quote\/|quote\/accept\/)?$/
const JOB_MUTATION_ENDPOINT = /\/job\/rest\/jobs\/[^/?]+\/(?:events\/create\/|quote\/accept\/)?$/

export const isJobEndpoint = (url: string): boolean => JOB_ENDPOINT.test(url)

export const isJobMutationEndpoint = (url: string): boolean => JOB_MUTATION_ENDPOINT.test(url)

export const extractJobId = (url: string): string | null => JOB_ENDPOINT.exec(url)?.[1] ?? null

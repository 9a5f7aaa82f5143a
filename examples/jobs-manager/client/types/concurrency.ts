// src/types/concurrency.ts
export class ConcurrencyError extends Error {
  constructor(
    message: string,
    public jobId: string,
    public retry?: () => Promise<void>,
  ) {
    super(message)
    this.name = 'ConcurrencyError'
  }
}

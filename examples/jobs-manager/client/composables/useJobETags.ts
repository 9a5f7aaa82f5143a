// As the plan prints the composable, every call makes a map of its own, and what one interceptor stores the other never finds.
// The plan asks for one store in memory: here the composable is called once, and everybody gets that. Its code is left as it is.
import { useJobETags as makeJobETags } from './jobETags'

const shared = makeJobETags()

export const useJobETags = () => shared

// Resolve and load hooks: packages come from the directory PACKAGES, "@/" is the client's root CLIENT, and TypeScript is stripped.
// With AS_PRINTED the composable is the plan's own, not the one instance that the example makes of it.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const { AS_PRINTED, CLIENT, PACKAGES } = process.env
const ts = createRequire(path.join(PACKAGES, 'package.json'))('typescript')
const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true }

export async function resolve(specifier, context, next) {
  if (AS_PRINTED && specifier === '@/composables/useJobETags') specifier = '@/composables/jobETags'
  if (specifier.startsWith('@/')) specifier = pathToFileURL(path.join(CLIENT, specifier.slice(2))).href
  const isRelative = specifier.startsWith('./') || specifier.startsWith('../')
  const url = isRelative ? new URL(specifier, context.parentURL).href : specifier
  if (url.startsWith('file:') && existsSync(`${fileURLToPath(url)}.ts`)) {
    return { url: `${url}.ts`, format: 'module', shortCircuit: true }
  }
  const isBare = !isRelative && !specifier.includes(':')
  return next(specifier, isBare ? { ...context, parentURL: pathToFileURL(path.join(PACKAGES, 'package.json')).href } : context)
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const { outputText } = ts.transpileModule(readFileSync(fileURLToPath(url), 'utf8'), { compilerOptions: options })
  return { format: 'module', source: outputText, shortCircuit: true }
}

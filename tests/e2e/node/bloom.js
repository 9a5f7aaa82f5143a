// The page of BLOOM, and what its users do when they do not click.
import { createElement } from 'react';
import { tracked } from './client/analytics.js';
import { apiClient } from './client/apiClient.js';
import { JourneyEditor } from './client/JourneyEditor.js';

// Tab -> what its hook returned when it was last rendered.
const hooks = new Map();

function Watched({ tab, journeyId }) {
  return createElement(JourneyEditor, { journeyId, onRender: (hook) => hooks.set(tab, hook) });
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function state(tab) {
  const { currentJourney, conflictDialog, toasts } = hooks.get(tab);
  return { currentJourney, conflictDialog, toasts };
}

// Run one action of the hook, and wait until the page shows what came of it. What it throws is part of the result; a save shows that as well.
async function act(tab, action, showsFailures = false) {
  const before = hooks.get(tab);
  let failure = null;
  try {
    await action(before);
  } catch (error) {
    failure = { status: error.response?.status ?? 0, userMessage: error.userMessage ?? null };
  }
  await until(() => hooks.get(tab) !== before || (failure !== null && !showsFailures));
  return { ...state(tab), failure };
}

function save(tab, updates) {
  return act(tab, (hook) => hook.updateJourney(hook.currentJourney.id, updates), true);
}

function resolve(tab, strategy, mergedData) {
  return act(tab, (hook) => hook.resolveConflict(strategy, mergedData));
}

function load(tab) {
  return act(tab, (hook) => hook.loadJourney(hook.currentJourney.id));
}

// Add a touchpoint to the first stage, and do not give up: what a user does who takes "refresh" and works again on what is there.
async function addTouchpoint(tab, title) {
  await until(() => hooks.get(tab)?.currentJourney);
  for (let conflicts = 0; ; conflicts++) {
    const [first, ...rest] = hooks.get(tab).currentJourney.stages;
    const stages = [{ ...first, touchpoints: [...first.touchpoints, { channel: 'web', title }] }, ...rest];
    const after = await save(tab, { stages });
    if (after.failure === null && !after.conflictDialog.open) return { version: after.currentJourney.version, conflicts };
    if (after.failure !== null) throw new Error(`${title}: ${JSON.stringify(after.failure)}`);
    await resolve(tab, 'refresh');
  }
}

// Save `count` times, each as soon as the one before is answered: what an autosave does.
async function saveRapidly(tab, count) {
  const saved = [];
  for (let number = 1; number <= count; number++) saved.push(await save(tab, { name: `Draft ${number}` }));
  return saved.map(({ currentJourney, conflictDialog }) => ({ version: currentJourney.version, open: conflictDialog.open }));
}

// Two clicks on the same button before the first is answered.
function saveTwice(tab, updates) {
  const { currentJourney, updateJourney } = hooks.get(tab);
  const before = hooks.get(tab).toasts.length;
  return Promise.allSettled([updateJourney(currentJourney.id, updates), updateJourney(currentJourney.id, updates)]).then(async () => {
    await until(() => hooks.get(tab).toasts.length >= before + 2 || hooks.get(tab).conflictDialog.open);
    return state(tab);
  });
}

function list() {
  return apiClient.get('/journeys').then((response) => response.data);
}

export const components = { JourneyEditor: Watched };
export const verbs = { addTouchpoint, list, load, resolve, save, saveRapidly, saveTwice, state, tracked: () => tracked };

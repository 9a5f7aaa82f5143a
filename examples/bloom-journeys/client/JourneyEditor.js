// The editor around the hook: a form, toasts, and the dialog that BLOOM-203 asks for.
import { createElement as h, useEffect, useState } from 'react';
import { useJourneys } from './useJourneys.js';

export function JourneyEditor({ journeyId, onRender }) {
  const [toasts, setToasts] = useState([]);
  const [draft, setDraft] = useState({});
  const showToast = (message, kind) => setToasts((shown) => [...shown, { message, kind }]);
  const hook = useJourneys(journeyId, showToast);
  const { currentJourney, conflictDialog, loadJourney, updateJourney, resolveConflict } = hook;
  onRender?.({ ...hook, toasts });
  useEffect(() => {
    loadJourney(journeyId);
  }, [journeyId]);

  if (currentJourney === null) return h('p', null, 'Loading');
  // On save, the client sends the complete journey: all that a user can edit.
  const { name, description, clientId, stages, status } = { ...currentJourney, ...draft };
  const payload = { name, description, clientId, stages, status };
  const save = () => updateJourney(journeyId, payload).then(() => setDraft({}), () => {});
  const resolve = (strategy, data) => resolveConflict(strategy, data).then(() => setDraft({}), () => showToast('Failed to resolve the conflict', 'error'));
  const { serverVersion, pendingChanges } = conflictDialog;
  return h('form', { onSubmit: (event) => event.preventDefault() },
    ['name', 'status'].map((name) => h('input', {
      key: name,
      name,
      value: payload[name],
      onChange: (event) => setDraft({ ...draft, [name]: event.target.value }),
    })),
    h('output', { name: 'version' }, currentJourney.version),
    h('ul', null, toasts.map(({ message, kind }, number) => h('li', { key: number, className: kind }, message))),
    h('button', { name: 'save', onClick: save }, 'Save'),
    conflictDialog.open && h('div', { role: 'dialog' },
      h('p', { className: 'theirs' }, `${serverVersion.name} (version ${serverVersion.version})`),
      h('p', { className: 'mine' }, `${pendingChanges.name} (from version ${conflictDialog.clientVersion.version})`),
      h('button', { name: 'refresh', onClick: () => resolve('refresh') }, 'Refresh and lose local changes'),
      h('button', { name: 'overwrite', onClick: () => resolve('overwrite', pendingChanges) }, 'Overwrite with local changes'),
      h('button', {
        name: 'merge',
        onClick: () => {
          resolve('merge', { ...payload, name: `${serverVersion.name} / ${pendingChanges.name}`, stages: serverVersion.stages });
        },
      }, 'Merge changes manually')));
}

// The editor around the guide's code: a form, and a dialog that offers what a conflict can be resolved by.
import { createElement as h, useEffect, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { forceSave, merge, refresh } from './contents.js';
import { useUpdateContent } from './useUpdateContent.js';

const FIELDS = ['title', 'status', 'body'];

export function Editor({ id }) {
  const [draft, setDraft] = useState({});
  const [conflict, setConflict] = useState(null);
  const [merging, setMerging] = useState(null);
  const updateContent = useUpdateContent(setConflict);
  const loaded = useQuery({
    queryKey: ['content', id],
    queryFn: async () => {
      const res = await fetch(`/api/contents/${id}`);
      return { content: await res.json(), etag: res.headers.get('ETag') };
    },
  });
  // The tag belongs to what the user sees: it changes with it, and not when something is read in the background.
  const [seen, setSeen] = useState(null);
  useEffect(() => {
    if (seen === null && loaded.data) setSeen(loaded.data);
  }, [loaded.data, seen]);

  const reload = (fresh) => {
    setSeen(fresh);
    setConflict(null);
    setMerging(null);
  };
  const save = (data, etag) => updateContent.mutate({ id, data, etag }, { onSuccess: () => { setDraft({}); setConflict(null); loaded.refetch().then((again) => reload(again.data)); } });

  if (seen === null) return h('p', null, 'Loading');
  const shown = { ...seen.content, ...draft };
  return h('form', { onSubmit: (event) => event.preventDefault() },
    FIELDS.map((name) => h('input', {
      key: name,
      name,
      value: shown[name],
      onChange: (event) => setDraft({ ...draft, [name]: event.target.value }),
    })),
    h('output', { name: 'etag' }, seen.etag),
    h('output', { name: 'state' }, updateContent.status),
    h('button', { name: 'save', onClick: () => save(draft, seen.etag) }, 'Save'),
    conflict && h('div', { role: 'dialog' },
      h('p', null, conflict.message),
      h('pre', null, JSON.stringify(conflict)),
      h('button', { name: 'refresh', onClick: async () => { setDraft({}); reload(await refresh(conflict)); } }, 'Refresh'),
      h('button', {
        name: 'force',
        onClick: async () => {
          const { content, etag } = await forceSave(id, draft);
          setDraft({});
          reload({ content, etag });
        },
      }, 'Save mine'),
      h('button', {
        name: 'merge',
        onClick: () => merge(id, {
          getLocalDraft: () => draft,
          showMergeDialog: setMerging,
          // The conflict names the version that the merge is made on.
          saveContent: (merged) => save(merged, conflict.currentVersion),
        }),
      }, 'Merge')),
    merging && h('div', { role: 'alertdialog' },
      h('p', { className: 'server' }, merging.server.title),
      h('p', { className: 'local' }, merging.local.title),
      h('button', { name: 'merged', onClick: () => merging.onMerge({ ...merging.local, title: `${merging.server.title} / ${merging.local.title}` }) }, 'Merged')));
}

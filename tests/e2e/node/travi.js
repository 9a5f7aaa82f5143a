// The page of TRAVI CMS.
import { Editor } from './client/Editor.js';
import { forceSave, merge, readContent, refresh, updateContent } from './client/contents.js';

export const components = { Editor };

async function mergeAndSave(id, draft, etag) {
  let dialog;
  const saved = await new Promise((resolve, reject) => {
    merge(id, {
      getLocalDraft: () => draft,
      showMergeDialog: (shown) => {
        dialog = shown;
        shown.onMerge({ ...shown.local, title: `${shown.server.title} / ${shown.local.title}` });
      },
      saveContent: (merged) => updateContent(merged, etag).then(resolve, reject),
    }).catch(reject);
  });
  return { server: dialog.server, local: dialog.local, saved };
}

export const verbs = { readContent, updateContent, refresh, forceSave, mergeAndSave };

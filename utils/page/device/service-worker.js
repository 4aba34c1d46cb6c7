// Answers from what is stored on the device: the page, the runtime and the model.

importScripts("files.js"); // self.APP: {version, files: [[path, bytes], ...]}

const OURS = `whisper ${registration.scope} `;
const NAME = OURS + self.APP.version;

addEventListener("install", (event) => event.waitUntil(store()));
addEventListener("activate", (event) => event.waitUntil(takeOver()));
addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(registration.scope)) event.respondWith(answer(event.request));
});

// What an installation that was broken off has stored is not fetched again.
async function store() {
  const cache = await caches.open(NAME);
  const total = self.APP.files.reduce((sum, [, bytes]) => sum + bytes, 0);
  let before = 0;
  for (const [path, bytes] of self.APP.files) {
    if (!(await cache.match(path))) {
      const found = await fetch(path, { cache: "no-cache" });
      if (!found.ok) throw new Error(`${path}: ${found.status}`);
      await cache.put(path, counted(found, (part) => tell(before + part, total)));
    }
    before += bytes;
    await tell(before, total);
  }
  await skipWaiting();
}

function counted(response, hear) {
  let part = 0;
  const counter = new TransformStream({
    transform(block, controller) {
      part += block.length;
      hear(part);
      controller.enqueue(block);
    },
  });
  return new Response(response.body.pipeThrough(counter), { headers: response.headers });
}

let told = 0;
async function tell(done, total) {
  if (done < total && Date.now() - told < 200) return;
  told = Date.now();
  for (const client of await clients.matchAll({ includeUncontrolled: true })) client.postMessage({ done, total });
}

async function takeOver() {
  for (const name of await caches.keys())
    if (name.startsWith(OURS) && name !== NAME) await caches.delete(name);
  await clients.claim();
}

async function answer(request) {
  const cache = await caches.open(NAME);
  const kept = await cache.match(request.mode === "navigate" ? "index.html" : request, { ignoreSearch: true });
  return isolated(kept ?? (await fetch(request)));
}

// With these headers, which many static hosts cannot send, a page may compute with several threads.
function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

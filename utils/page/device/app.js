// The web app keeps itself and its model on the device, and says how far it is.

import { text } from "./texts.js";

const place = document.getElementById("stored");
const megabytes = (bytes) => Math.round(bytes / 1e6);
let shown = null;

function show(...words) {
  if (words.length) shown = words;
  if (!shown) return;
  place.textContent = text(...shown);
  place.hidden = false;
}

async function store() {
  const container = navigator.serviceWorker;
  if (!container) return; // a page without TLS: it works, but only with a network
  const isUpdate = Boolean(container.controller);
  container.addEventListener("message", ({ data }) => {
    if (data.done < data.total) show("storing", megabytes(data.done), megabytes(data.total));
    else show(isUpdate ? "newer" : "offline");
  });
  const registration = await container.register("service-worker.js", { updateViaCache: "none" });
  // Where the first installation fails, the model is read from the network.
  const failed = new Promise((resolve) => {
    registration.installing?.addEventListener("statechange", (event) => {
      if (event.target.state === "redundant") resolve(false);
    });
  });
  if (await Promise.race([container.ready, failed])) show("offline");
}

// Resolves when the model's files need not be fetched twice.
export const stored = store().catch((error) => console.warn(error));
document.getElementById("tongue").addEventListener("click", () => setTimeout(show));

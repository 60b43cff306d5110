"use strict";
// Parts by id ("swap"), lines of a log ("lines"), the end ("end"). One stream a page, closed while
// nobody looks: a browser has six connections for all its tabs.
const policy = window.trustedTypes?.createPolicy("live", { createHTML: text => text }) ?? { createHTML: text => text };

const localize = root => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
};

const swap = html => {
  const parsed = document.createElement("template");
  parsed.innerHTML = policy.createHTML(html.includes("<tbody") ? `<table>${html}</table>` : html);
  localize(parsed.content);
  for (const fresh of parsed.content.querySelectorAll("[id]")) {
    const old = document.getElementById(fresh.id);
    if (!old || old.isEqualNode(fresh)) continue;
    const focus = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    old.replaceWith(fresh);
    if (focus) fresh.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }
};

const log = document.querySelector("[data-log]");
let stage = log?.dataset.stage ?? "";
const append = ([id, label, text]) => {
  if (typeof id === "number" && document.getElementById(`L${id}`)) return;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  const row = document.createElement("div"), mark = document.createElement("b"), line = document.createElement("span");
  if (typeof id === "number") row.id = `L${id}`;
  mark.textContent = label === stage ? "" : label;
  stage = label;
  line.textContent = text;
  row.append(mark, line);
  log.append(row);
  if (log.childElementCount > 5000) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
};

const watched = document.querySelector("[data-live]"), note = document.getElementById("link");
if (watched) {
  let source, after = watched.dataset.after ?? "", over = false;
  const close = () => { source?.close(); source = undefined; };
  const open = () => {
    if (source || over || document.hidden) return;
    const address = new URL(watched.dataset.live, location);
    if (after) address.searchParams.set("after", after);
    source = new EventSource(address);
    source.onopen = () => { note.textContent = "live"; };
    source.onerror = () => {
      const ended = source?.readyState === EventSource.CLOSED;
      note.textContent = ended ? "not live; load the page again" : "reconnecting…";
    };
    source.addEventListener("swap", e => swap(e.data));
    source.addEventListener("lines", e => { after = e.lastEventId; JSON.parse(e.data).forEach(append); });
    source.addEventListener("end", () => { over = true; close(); note.textContent = ""; });
  };
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  open();
}
if (log) log.scrollTop = log.scrollHeight;
localize(document);

const login = document.querySelector("[data-login]");
if (login && location.hash.length > 1) {
  login.code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (login.dataset.login === "at once") login.requestSubmit();
}

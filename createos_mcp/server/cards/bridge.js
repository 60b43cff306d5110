// https://modelcontextprotocol.io/extensions/apps, version 2026-01-26: JSON-RPC with the host's page.
const $ = id => document.getElementById(id), waiting = new Map();
let next = 1, host = {};
const send = message => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
const ask = (method, params) => new Promise((done, fail) => { const id = next++; waiting.set(id, { done, fail }); send({ id, method, params }); });
const tell = (method, params) => send({ method: `ui/notifications/${method}`, params });
const size = () => tell("size-changed", { width: document.documentElement.scrollWidth, height: Math.ceil(document.body.getBoundingClientRect().height) });
const look = context => {
  const root = document.documentElement;
  if (context?.theme) { root.dataset.theme = context.theme; root.style.colorScheme = context.theme; }
  for (const [name, value] of Object.entries(context?.styles?.variables ?? {})) if (value) root.style.setProperty(name, value);
};
// Text of other people stands between marks for the model; people need none.
const plain = text => String(text ?? "").replace(/<\/?untrusted [0-9a-f]+>\n?/g, "");
const call = async (name, given) => {
  const result = await ask("tools/call", { name, arguments: given });
  if (result.isError) throw new Error(name);
  return result.structuredContent ?? {};
};
const start = async (name, { input = () => {}, result, end = () => {} }) => {
  addEventListener("message", event => {
    const message = event.data;
    if (event.source !== parent || message?.jsonrpc !== "2.0") return;
    if (message.method === "ui/notifications/tool-input") input(message.params.arguments ?? {});
    else if (message.method === "ui/notifications/tool-result") result(message.params.structuredContent ?? {}, message.params.isError);
    else if (message.method === "ui/notifications/host-context-changed") look(message.params);
    else if (message.method === "ui/resource-teardown") { end(); send({ id: message.id, result: {} }); }
    else if (message.method === "ping") send({ id: message.id, result: {} });
    else if (waiting.has(message.id)) {
      const { done, fail } = waiting.get(message.id);
      waiting.delete(message.id);
      message.error ? fail(message.error) : done(message.result);
    }
  });
  const answer = await ask("ui/initialize", { protocolVersion: "2026-01-26", appInfo: { name, version: "1" }, appCapabilities: { availableDisplayModes: ["inline"] } });
  host = answer.hostCapabilities ?? {};
  look(answer.hostContext);
  tell("initialized", {});
  new ResizeObserver(size).observe(document.body);
};

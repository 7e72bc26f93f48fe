// The page of the local stack: each event beside what became of it. The API is that of local/page.py.
import { repeat } from "./lit-html/directives/repeat.js";
import { html, nothing, render } from "./lit-html/lit-html.js";
import { compare, lines, parse } from "./difference.js";

const CUT = 65_536; // characters of a text that are shown unless all of it is asked for

const state = {
  connected: false,
  status: null,
  deliveries: [], // without their texts, the newest last
  selected: null, // its number
  isSought: true, // its row is to be scrolled into view, once the list has it
  detail: null,
  before: null, // the last delivery of the same event before the selected one
  whole: false,
  sending: { event: "", sample: "", original: "", schema: "", to: "grid", error: "" },
};

const url = new URL(location.href);
const filter = () => url.searchParams.get("filter") ?? "";

async function ask(path, json) {
  const answer = await fetch(path, json && {
    method: "POST", headers: { "content-type": "application/json" }, body: json,
  });
  if (!answer.ok) throw new Error(await answer.text() || `answered ${answer.status}`);
  return answer.json();
}

function remember() {
  url.hash = state.selected === null ? "" : state.selected;
  history.replaceState(null, "", url);
}

function shown() {
  const words = filter().toLowerCase().split(/\s+/).filter(Boolean);
  return state.deliveries.toReversed().filter((delivery) => {
    const text = [delivery.function, delivery.type, delivery.fate, label(delivery.fate), delivery.reason, delivery.id]
      .join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

async function select(number) {
  Object.assign(state, { selected: number, isSought: true, whole: false });
  remember();
  await load();
}

async function load() {
  const number = state.selected;
  const turn = load.turn = (load.turn ?? 0) + 1; // an answer may be older than the next one
  const one = async (wanted) => wanted ? (await ask(`/api/events?number=${wanted}`))[0] : null;
  try {
    const detail = await one(number);
    const before = detail && await one(earlier(detail)?.number);
    const isSame = before && (detail.id || detail.event === before.event);
    if (load.turn === turn) Object.assign(state, { detail, before: isSame ? before : null });
  } catch {
    // the stream says that the stack is gone
  }
  draw();
}

function earlier(detail) {
  return state.deliveries.findLast(({ number, id, source, function: name }) => (
    number < detail.number && id === detail.id && source === detail.source && name === detail.function));
}

function follow() {
  const stream = new EventSource("/api/stream");
  const selected = () => JSON.stringify(state.deliveries.find((delivery) => delivery.number === state.selected));
  stream.onopen = () => { state.connected = true; poll(); };
  stream.onerror = () => { state.connected = false; draw(); };
  stream.onmessage = (message) => {
    const before = selected();
    state.deliveries = JSON.parse(message.data);
    if (selected() === before) draw();
    else load();
  };
}

async function poll() {
  clearTimeout(poll.timer);
  try {
    state.status = await ask("/api/status");
  } catch {
    // the stream says that the stack is gone
  }
  draw();
  poll.timer = setTimeout(poll, 2000);
}

async function control(action, value) {
  try {
    await ask(`/api/${action}`, JSON.stringify(value));
  } catch (error) {
    alert(error.message);
  }
  poll();
}

async function send(path, event) {
  const [delivery] = await ask(path, event);
  await select(delivery.number);
}

function sendAgain() {
  if (!state.detail) return;
  const { event, function: name, subscription } = state.detail;
  const query = name && !subscription ? `?function=${encodeURIComponent(name)}` : "";
  send(`/api/send${query}`, event).catch((error) => alert(error.message));
}

const isNamed = (to) => to !== "grid" && to !== "direct";

function path() {
  const { schema, to } = state.sending;
  const query = new URLSearchParams();
  if (isNamed(to)) query.set("function", to); // as it is, in no other schema
  else if (schema) query.set("schema", schema);
  if (to === "direct") query.set("direct", "");
  return `/api/send?${query}`;
}

async function submit(event) {
  event?.preventDefault();
  state.sending.error = "";
  try {
    await send(path(), state.sending.event);
    document.querySelector("dialog").close();
  } catch (error) {
    state.sending.error = error.message;
  }
  draw();
}

async function open(text) {
  if (text !== undefined) Object.assign(state.sending, { event: text, sample: "", original: "" });
  else if (!state.sending.event && state.status) await pick(state.status.samples[0]);
  draw();
  document.querySelector("dialog").showModal();
}

async function pick(sample) {
  const original = await (await fetch(`/samples/${sample}`)).text();
  Object.assign(state.sending, { sample, original, event: original, error: "" });
  draw();
}

const isSample = ({ event, original }) => original && event === original;

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const asCurl = () => `curl -H 'content-type: application/json' ${quoted(location.origin + path())} --data-raw ${quoted(state.sending.event)}`;

function asCommand() {
  const { schema, to, event, sample } = state.sending;
  const options = isNamed(to) ? ` --function ${to}`
    : (schema === "CloudEventSchemaV1_0" ? " --cloudevents" : "") + (to === "direct" ? " --direct" : "");
  if (isSample(state.sending)) return `python -m local send ${sample}${options}`;
  return `printf %s ${quoted(event)} > event.json && python -m local send event.json${options}`;
}

function copy(text, button) {
  navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1200);
}

// What is drawn

const label = (fate) => fate.replace("_", "-");
const name = (type) => type.split(".").pop() || "no type";
const clock = new Intl.DateTimeFormat([], { timeStyle: "medium", hourCycle: "h23" });
const time = (seconds) => clock.format(seconds * 1000);
function bytes(text) {
  const size = new TextEncoder().encode(text).length;
  return size < 10_000 ? `${size} B` : `${(size / 1024).toFixed(0)} KiB`;
}
const ms = (delivery) => delivery.attempts.at(-1)?.ms;
const faults = {
  "storage-503": "storage answers 503", "storage-hangs": "storage hangs", "storage-away": "storage is away",
  "function-fails": "the function fails",
};
const noOutcome = { ignored: "None: the handler returned nothing.", delivering: "None yet.", retrying: "None yet." };
const gaveUp = { TimeToLiveExceeded: "because the event was too old", MaxDeliveryAttemptsExceeded: "after the last attempt" };
function why({ fate: end, reason }) {
  if (end !== "undelivered") return reason;
  return `Event Grid gave up, ${gaveUp[reason] ?? "because it does not retry this answer"} (${reason})`;
}

const fate = (value) => html`<span class="fate ${value}">${label(value)}</span>`;

function header() {
  const { status } = state;
  const well = state.connected && !status?.error;
  return html`
    <h1>Events and outcomes</h1>
    <span class="state ${well ? "" : "bad"}" role="status">
      ${!state.connected ? "not connected" : status?.error ? "the app does not load" : "connected"}
    </span>
    <form class="group push" @submit=${breakIt}>
      <label for="fault">Fault</label>
      <select id="fault" name="fault">
        ${Object.entries(faults).map(([key, text]) => html`<option value=${key}>${text}</option>`)}
      </select>
      <label for="attempts">for</label>
      <select id="attempts" name="attempts">
        ${[["1", "1 attempt"], ["3", "3 attempts"], ["10", "10 attempts"], ["", "until mended"]]
          .map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select>
      <button>Break</button>
    </form>
    <span class="group">
      <label for="speed">Event Grid's waits</label>
      <select id="speed" @change=${(event) => control("time-scale", Number(event.target.value))}>
        ${[...new Set([1, 60, 3600, 20000, status?.time_scale ?? 1])].sort((a, b) => a - b)
          .map((scale) => html`<option value=${scale} ?selected=${scale === status?.time_scale}>${scale === 1 ? "as in Azure" : `÷ ${scale.toLocaleString("en")}`}</option>`)}
      </select>
    </span>
    <button class="main" @click=${() => open()}>Send <kbd>s</kbd></button>`;
}

function breakIt(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  control("break", { fault: form.get("fault"), attempts: Number(form.get("attempts")) || null });
}

function notices() {
  const { status } = state;
  if (!state.connected) return html`<div class="notice" role="alert">The local stack does not answer. Start it with <code>make run</code>; this page connects again by itself.</div>`;
  return html`
    ${status?.error ? html`<div class="notice" role="alert"><strong>The app does not load.</strong> Events are answered 404 until it does.<pre>${status.error}</pre></div>` : nothing}
    ${status?.broken.fault ? html`<div class="notice" role="alert"><strong>Broken on purpose:</strong> ${faults[status.broken.fault]}, ${status.broken.attempts ? `attempts left: ${status.broken.attempts}` : "until it is mended"}. <button @click=${() => control("break", {})}>Mend</button></div>` : nothing}`;
}

function row(delivery) {
  // The list may move between the press and the release of a button: the press counts. A key has no press.
  const choose = () => select(delivery.number);
  return html`
    <tr data-number=${delivery.number} aria-current=${delivery.number === state.selected ? "true" : nothing} @mousedown=${choose}>
      <td class="time">${time(delivery.at)}</td>
      <td class="function">${delivery.function ?? "–"}</td>
      <td class="type"><button title=${delivery.type} @click=${(event) => event.detail || choose()}>${name(delivery.type)}</button></td>
      <td>${fate(delivery.fate)}</td>
      <td class="number">${delivery.attempts.length || ""}</td>
      <td class="number">${ms(delivery)?.toFixed(0) ?? ""}</td>
    </tr>`;
}

function list() {
  const found = shown();
  return html`
    <section class="list" aria-label="Deliveries">
      <div class="tools">
        <label class="hidden" for="filter">Filter</label>
        <input id="filter" type="search" placeholder="Filter: function, type, fate, reason   /" .value=${filter()} @input=${search}>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="List of deliveries">
        <table>
          <caption class="hidden">Deliveries, newest first</caption>
          <thead><tr>
            <th scope="col" class="time">Time</th><th scope="col" class="function">Function</th>
            <th scope="col">Type</th><th scope="col" class="wide">Fate</th>
            <th scope="col" class="number">Tries</th><th scope="col" class="number">ms</th>
          </tr></thead>
          <tbody>${repeat(found, (delivery) => delivery.number, row)}</tbody>
        </table>
        ${found.length ? nothing : html`<p class="empty">${state.deliveries.length ? "No delivery matches the filter." : html`No events yet. Press <kbd>s</kbd> to send one.`}</p>`}
      </div>
      <dl class="queues" aria-label="Messages in each queue">
        ${Object.entries(state.status?.queues ?? {}).map(([queue, depth]) => html`<div><dt>${queue}</dt><dd>${depth ?? "–"}</dd></div>`)}
      </dl>
    </section>`;
}

function search(event) {
  if (event.target.value) url.searchParams.set("filter", event.target.value);
  else url.searchParams.delete("filter");
  remember();
  draw();
}

function attempt(one, number) {
  const good = one.status >= 200 && one.status < 300;
  const answer = one.status === null ? "under way" : one.status === 0 ? "no answer" : `answered ${one.status}`;
  return html`
    <li class=${one.status === null ? "" : good ? "good" : "bad"}>
      <strong>Attempt ${number + 1}</strong> ${answer}
      <span class="soft">${time(one.at)}${one.ms === null ? "" : `, ${one.ms.toFixed(0)} ms`}${one.fault ? `, broken on purpose: ${faults[one.fault]}` : ""}</span>
      ${one.error ? html`<br>${one.error}` : nothing}
    </li>`;
}

function story(detail) {
  const attempts = detail.attempts.map(attempt);
  const hidden = attempts.length - 8;
  if (hidden > 0) attempts.splice(4, hidden, html`<li class="soft">${hidden} more attempts</li>`);
  return html`
    <ol class="story">
      <li class=${detail.fate === "unrouted" ? "warn" : ""}>
        ${detail.subscription ? html`Subscription <strong>${detail.subscription}</strong> includes it, for the function <strong>${detail.function}</strong>`
          : detail.function ? html`Sent straight to the function <strong>${detail.function}</strong>`
          : html`<strong>No subscription</strong> includes it`}
        <span class="soft">${time(detail.at)}</span>
      </li>
      ${attempts}
      ${detail.next_at ? html`<li class="warn">Attempt ${detail.attempts.length + 1} comes at <strong>${time(detail.next_at)}</strong></li>` : nothing}
      ${detail.written.map((written) => html`<li class="good">${detail.fate === "undelivered" ? "Dead-lettered by Event Grid in" : "In"} <strong>${written.place}</strong> <span class="soft">${written.place.includes("/") ? "blob" : "queue"}, ${bytes(written.document)}</span></li>`)}
      ${detail.reason ? html`<li class="warn"><strong>${label(detail.fate)}</strong>: ${why(detail)}</li>` : nothing}
    </ol>`;
}

function outcome(delivery) {
  // A document in a blob is whole; the message that refers to it has no data.
  return delivery?.written.find((written) => written.place.includes("/")) ?? delivery?.written.at(-1);
}

function verdict() {
  const { detail, before } = state;
  if (!before || detail.fate === "delivering") return nothing;
  const was = `Before: ${label(before.fate)}${before.reason && ` (${before.reason})`}.`;
  const [old, now] = [outcome(before)?.document, outcome(detail)?.document];
  let [kind, text] = ["", ""];
  if (detail.fate === "written" && before.fate !== "written") [kind, text] = ["fixed", `Fixed. ${was}`];
  else if (detail.reason && detail.reason === before.reason) text = "The same reason as before.";
  else if (detail.reason && before.reason) text = `Another reason. ${was}`;
  else if (detail.fate !== before.fate) [kind, text] = ["worse", `Different. ${was}`];
  else text = old === now ? "The same outcome, byte for byte." : "The outcome is different.";
  const changes = detail.fate === before.fate && old && now ? compare(old, now) : [];
  return html`
    <div class="verdict ${kind}">
      <strong>${text}</strong> Compared with the delivery at <button @click=${() => select(before.number)}>${time(before.at)}</button>
      ${changes.length ? html`<ul>${changes.map((change) => html`<li>${change}</li>`)}</ul>` : nothing}
    </div>`;
}

function documentOf(title, side, note) {
  const isCut = side.text !== undefined;
  return html`
    <div class="document">
      <h3>${title}<span>${note}</span></h3>
      <div class="json" tabindex="0" role="region" aria-label=${title}>
        ${isCut ? html`<div><b>${side.text}</b></div>` : side.map(({ text, kind, note: from }) => html`<div class=${kind}><b>${text}</b>${from ? html`<span class="tag">${from}</span>` : nothing}</div>`)}
      </div>
    </div>`;
}

function details() {
  const { detail } = state;
  if (!detail) return html`<section class="detail"><p class="empty">Select an event to see it beside its outcome. Keys: <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>/</kbd> filter, <kbd>s</kbd> send, <kbd>r</kbd> send again, <kbd>Esc</kbd> close.</p></section>`;
  const written = outcome(detail);
  const isLong = Math.max(detail.event.length, written?.document.length ?? 0) > CUT;
  const cut = (text) => isLong && !state.whole ? text?.slice(0, CUT) : text;
  const [left, right] = lines(cut(detail.event), cut(written?.document));
  return html`
    <section class="detail" aria-label="Selected delivery" tabindex="0">
      <div class="head">
        <h2>${name(detail.type)}</h2>${fate(detail.fate)}
        <span class="push">
          <button @click=${() => open(JSON.stringify(parse(detail.event), null, 2) ?? detail.event)}>Edit and send</button>
          <button @click=${sendAgain}>Send again <kbd>r</kbd></button>
        </span>
      </div>
      ${story(detail)}
      ${verdict()}
      <div class="legend" aria-hidden="true">
        ${[["renamed", "renamed"], ["moved", "moved"], ["inferred", "inferred"], ["kept", "kept"], ["left-out", "left out"]]
          .map(([kind, text]) => html`<span><span class="key ${kind}">${kind === "left-out" ? "□" : "■"}</span> ${text}</span>`)}
      </div>
      ${isLong && !state.whole ? html`<p><button @click=${() => { state.whole = true; draw(); }}>Show all of it</button></p>` : nothing}
      <div class="pair">
        ${documentOf("Event, as delivered", left, bytes(detail.event))}
        ${written ? documentOf(detail.fate === "written" ? "Outcome" : "Dead letter", right, `${written.place.split("/")[0]}, ${bytes(written.document)}`)
          : html`<div class="document"><h3>Outcome</h3><p class="empty">${noOutcome[detail.fate] ?? "None."}</p></div>`}
      </div>
    </section>`;
}

function dialog() {
  const { sending, status } = state;
  const set = (key) => (event) => { sending[key] = event.target.value; draw(); };
  return html`
    <dialog aria-label="Send an event">
      <form @submit=${submit}>
        <div class="row">
          <label for="sample">Sample</label><select id="sample" @change=${(event) => pick(event.target.value)}>
            ${isSample(sending) ? nothing : html`<option value="" .selected=${true}>edited: ${sending.sample || "event"}</option>`}
            ${(status?.samples ?? []).map((sample) => html`<option value=${sample} .selected=${isSample(sending) && sample === sending.sample}>${sample}</option>`)}
          </select>
          <label for="schema">Schema</label><select id="schema" ?disabled=${isNamed(sending.to)} @change=${set("schema")}>
            <option value="">as it is</option><option value="EventGridSchema">Event Grid</option>
            <option value="CloudEventSchemaV1_0">CloudEvents 1.0</option>
          </select>
          <label for="to">To</label><select id="to" @change=${set("to")}>
            <option value="grid">Event Grid</option><option value="direct">the function of its type</option>
            ${(status?.functions ?? []).map((one) => html`<option value=${one}>${one}, as it is</option>`)}
          </select>
        </div>
        <label class="hidden" for="event">Event</label>
        <textarea id="event" spellcheck="false" .value=${sending.event} @input=${set("event")}></textarea>
        ${sending.error ? html`<p class="error" role="alert">${sending.error}</p>` : nothing}
        <div class="row">
          <button class="main">Send <kbd>Ctrl ↵</kbd></button>
          <button type="button" @click=${(event) => copy(asCurl(), event.target)}>Copy as curl</button>
          <button type="button" @click=${(event) => copy(asCommand(), event.target)}>Copy as command</button>
          <button type="button" @click=${() => document.querySelector("dialog").close()}>Close</button>
        </div>
      </form>
    </dialog>`;
}

function draw() {
  if (draw.due) return;
  draw.due = requestAnimationFrame(() => {
    draw.due = 0;
    render(html`<header>${header()}</header><div>${notices()}</div><main>${list()}${details()}</main>${dialog()}`, document.body);
    const row = state.isSought && document.querySelector("tr[aria-current]");
    if (!row) return;
    row.scrollIntoView({ block: "nearest" });
    state.isSought = false;
  });
}

function move(step) {
  const found = shown();
  const at = found.findIndex((delivery) => delivery.number === state.selected);
  const next = found[Math.max(0, Math.min(found.length - 1, at === -1 ? 0 : at + step))];
  if (next) select(next.number);
}

addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea, select");
  if (document.querySelector("dialog[open]")) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
    return;
  }
  if (event.key === "Escape") {
    if (isTyping) event.target.blur();
    else select(null);
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = {
    ArrowDown: () => move(1), ArrowUp: () => move(-1), s: () => open(), r: sendAgain,
    "/": () => document.querySelector("#filter").focus(),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

document.body.replaceChildren();
state.selected = Number(location.hash.slice(1)) || null;
draw();
follow();

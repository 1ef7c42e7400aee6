/*
 * The chat of mod_tripchat, for a page or a program. It keeps the messages of a room in order, each once,
 * also when a connection breaks. One ES module without dependencies, for browsers and Node 18 or later.
 * Node before version 22 has no WebSocket: pass one in the options, or the client uses HTTP only.
 * docs/protocol.md says what goes over the wire, and tripchat.d.ts what each option and event is.
 *
 * A *link* is a way to receive the events of the room. The best link is a socket, then a stream (server-sent
 * events), then a long poll. Each delivers the same events, beginning with the history after the last known
 * seq (resume), which belongs to an epoch of the room. run() opens the best link that works, stays with it while it lives, and then reconnects with
 * backoff. While the link is not a socket, climb() tries sockets in the background. What the user sends waits
 * in the outbox until the server has confirmed it, and goes over the link that is in use.
 */

const DEFAULTS = {
  socketPath: "ws/chat/",
  apiPath: "api/v1/chat/",
  tokenIn: "subprotocol",
  maxMessages: 2000,
  maxPending: 100,
};

const TIMING_MS = {
  connect: 8000,      // a link must bring the history within this time
  answer: 15000,      // the server must answer a message within this time
  silence: 40000,     // after this silence the client asks the link for a sign of life
  retryMin: 500,      // the first and the longest wait before the next try; a random half is subtracted
  retryMax: 30000,
  climbMin: 4000,     // the same for the tries of a socket while the fallback is in use
  climbMax: 60000,
  reload: 3000,       // if the server reloads, the client waits a random part of this time
  steady: 10000,      // a link that lived this long ends a series of failures
  poll: 25000,        // how long the server may hold a poll
  pollGap: 2000,      // the pause between polls if the server holds none
  typing: 4000,       // a user who has not typed for this long has stopped
  typingGap: 1100,    // the shortest time between two typing messages that the client sends
  typist: 8000,       // a typist who sent no sign for this long has stopped
  renewBefore: 30000, // a token is renewed this long before it expires, or in the last fifth of its life
};

const TEXTS = {
  idle: "Not connected",
  connecting: "Connecting…",
  realtime: "Connected (Real-time)",
  fallback: "Real-time chat unavailable. Using standard messaging.",
  offline: "Disconnected. Trying again…",
  unauthorized: "Not signed in. Please sign in again.",
  forbidden: "You are not on this trip.",
  closed: "Disconnected",
};

const RESUME_LIMIT = 1000;             // events; if more are missing, a fresh start is cheaper
const MAX_STREAMED_CHARS = 64 << 20;   // of one event
const MAX_FRAME_BYTES = 128 << 10;
const FAILURES_BEFORE_FALLBACK = 3;    // for a server that says that it is busy or reloads
const CLOSED = { tooBig: 1009, reloads: 1012, busy: 1013, unauthorized: 4001, forbidden: 4003 };

/** Why the server, or this client, refused a request. */
export class ChatError extends Error {
  constructor({ code, message, field, retry_after, client_id }) {
    super(message ?? code);
    this.name = "ChatError";
    this.code = code;
    if (field !== undefined) this.field = field;
    if (retry_after !== undefined) this.retryAfter = retry_after;
    if (client_id !== undefined) this.clientId = client_id;
  }
}

// ---- the list of messages ------------------------------------------------------------------------

// Messages in the order of their own seq, each once. An edit has a seq of its own. That seq says how new the
// content is, and not where the message stands.
class MessageList {
  #places = new Map();                 // id to { message, newest: seq of the newest event in it }
  #sorted = [];
  #max;
  hasOlder = false;                    // does the room have messages before the first one of this list?

  constructor(max) {
    this.#max = max;
  }

  get all() { return this.#sorted.map(place => place.message); }
  get first() { return this.#sorted[0]?.message; }
  get isFull() { return this.#sorted.length >= this.#max; }

  get(id) { return this.#places.get(id)?.message; }

  startOver(messages) {
    this.#places.clear();
    this.#sorted = [];
    this.hasOlder = false;
    messages.forEach(message => this.put(message));
    // The first event of a room is a message. A list that has this message has everything.
    this.hasOlder = (this.first?.seq ?? 1) > 1;
  }

  // Takes a message, or an edit in the form of the whole message. Returns true if the message is new here.
  put(message) {
    if (this.change(message)) return false;
    if (this.#liesBefore(message)) return false;
    const place = { message, newest: message.seq };
    this.#places.set(message.id, place);
    let at = this.#sorted.length;
    while (at > 0 && this.#sorted[at - 1].message.seq > message.seq) at--;
    this.#sorted.splice(at, 0, place);
    while (this.#sorted.length > this.#max) {
      this.#places.delete(this.#sorted.shift().message.id);
      this.hasOlder = true;
    }
    return true;
  }

  // Applies an edit to a message of this list. Returns true if the list has the message.
  change({ id, content, is_edited, updated_at, seq }) {
    const place = this.#places.get(id);
    if (!place) return false;
    if (seq >= place.newest) {
      place.newest = seq;
      place.message = { ...place.message, content, is_edited, updated_at };
    }
    return true;
  }

  putOlder(messages, hasMore) {
    this.hasOlder = false;             // the messages may lie before the first one
    const room = Math.max(0, this.#max - this.#sorted.length);
    const taken = messages.slice(Math.max(0, messages.length - room));
    taken.forEach(message => this.put(message));
    this.hasOlder = hasMore || taken.length < messages.length;
  }

  // Would the message stand before messages that are missing here? An edit comes with the seq of the edit, so
  // here the age of the message tells.
  #liesBefore(message) {
    const first = this.first;
    return this.hasOlder && first !== undefined
      && (message.seq < first.seq || (message.is_edited && message.created_at < first.created_at));
  }
}

// ---- what was sent and not confirmed -------------------------------------------------------------

class Outbox {
  #entries = new Map();                // client_id to entry, in the order of sending
  #max;

  constructor(max) {
    this.#max = max;
  }

  get all() { return [...this.#entries.values()].map(entry => entry.shown); }
  get isFull() { return this.#entries.size >= this.#max; }

  get(clientId) { return this.#entries.get(clientId); }

  // `body` is what goes over a socket. Returns { entry, done }.
  add(shown, body) {
    const entry = { shown, body, sentOn: null };
    const done = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    done.catch(() => {});              // a page that ignores the promise listens to "error"
    this.#entries.set(shown.client_id, entry);
    return { entry, done };
  }

  confirm(entry, message) {
    this.#entries.delete(entry.shown.client_id);
    entry.resolve(message);
  }

  refuse(entry, error) {
    this.#entries.delete(entry.shown.client_id);
    entry.reject(error);
  }

  // The entries that have not been sent over this link yet.
  unsent(link) { return [...this.#entries.values()].filter(entry => entry.sentOn !== link); }

  sentOn(link) { return [...this.#entries.values()].filter(entry => entry.sentOn === link); }

  // If the confirmation of an edit was lost, the content in a later history shows that the edit was stored.
  editsSeenIn(message) {
    return [...this.#entries.values()].filter(({ sentOn, shown }) => sentOn && shown.kind === "edit"
      && shown.message_id === message.id && shown.content === message.content && message.is_edited);
  }

  refuseAll(error) {
    for (const entry of [...this.#entries.values()]) this.refuse(entry, error);
  }
}

// ---- links ---------------------------------------------------------------------------------------

/*
 * How a link ended, as far as it is known: { code: of the close, status: of HTTP, verdict: "unauthorized",
 * "forbidden" or undefined, retryAfter: seconds, error: ChatError, reason, token: to which the verdict belongs }.
 */
class Link {
  #settleOpened;
  #settleEnded;
  #timer;
  isOpen = false;
  hasEnded = false;

  // Resolves with undefined when the history is there, or with how the link ended before that.
  opened = new Promise(resolve => { this.#settleOpened = resolve; });
  ended = new Promise(resolve => { this.#settleEnded = resolve; });

  constructor(kind, context) {
    this.kind = kind;                  // socket, stream, poll
    this.context = context;            // { onEvent, timing, token, … }
    this.token = context.token;        // the newest that the server was given for this link
    this.heardAt = Date.now();
  }

  // Takes an event or, without one, any other sign of life.
  hear(event) {
    if (this.hasEnded) return;
    this.heardAt = Date.now();
    if (event) this.context.onEvent(event, this);
    if (event?.type === "message_history" && !this.isOpen) {
      this.isOpen = true;
      this.#settleOpened();
    }
  }

  end(down) {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.#timer);
    this.release();
    const end = { token: this.token, ...down };
    this.#settleOpened(end);
    this.#settleEnded(end);
  }

  close() { this.end({ reason: "closed here" }); }

  // Each link has one timer, for the thing that it waits for at the moment.
  alarm(ms, action) {
    clearTimeout(this.#timer);
    if (!this.hasEnded) this.#timer = setTimeout(action, ms);
  }

  release() {}
  probe() {}
}

class SocketLink extends Link {
  #socket;
  #asked = [];                         // { client_id, resolve } of questions that the server has to answer
  #isAwaited = false;

  // The context also has { WebSocket, url, protocols }.
  constructor(context) {
    super("socket", context);
    try {
      this.#socket = new context.WebSocket(context.url, context.protocols);
    } catch (error) {
      this.end({ reason: error.message });
      return;
    }
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.end({ code, reason, verdict: verdictOfClose(code) });
    this.#socket.onerror = () => {};   // a close event follows
    this.alarm(context.timing.connect, () => this.end({ reason: "no history in time" }));
  }

  // Sends a message that the server always answers, be it with an error.
  send(message) {
    if (this.#socket.readyState !== 1) return;
    this.#socket.send(JSON.stringify(message));
    this.#await();
  }

  sendTyping(is_typing) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify({ type: "typing", is_typing }));
  }

  // Resolves with the answer, or with undefined if the link ends before the answer comes.
  ask(question) {
    return new Promise(resolve => {
      const client_id = newId();
      this.#asked.push({ client_id, resolve });
      this.send({ ...question, client_id });
    });
  }

  // Asks for a sign of life. A server that does not know the question answers with an error, which is a sign, too.
  probe() {
    if (this.isOpen && !this.#isAwaited) this.ask({ type: "ping" });
  }

  release() {
    for (const { resolve } of this.#asked.splice(0)) resolve(undefined);
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    if (this.#socket.readyState < 2) this.#socket.close();
  }

  #receive(data) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      this.end({ reason: "not JSON" });
      return;
    }
    this.#isAwaited = false;
    if (!this.#isAnswer(event)) this.hear(event);
    this.alarm(this.context.timing.silence, () => this.probe());
  }

  #isAnswer(event) {
    const isAnonymous = event.client_id === undefined
      && (event.code === "unknown_type" || event.type === "authenticated");
    const at = isAnonymous ? 0 : this.#asked.findIndex(({ client_id }) => client_id === event.client_id);
    const [question] = at < 0 ? [] : this.#asked.splice(at, 1);
    question?.resolve(event);
    return question !== undefined;
  }

  #await() {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.alarm(this.context.timing.answer, () => this.end({ reason: "no answer in time" }));
  }
}

// Server-sent events, read with fetch. EventSource can set no header, and a token should not stand in a URL.
class StreamLink extends Link {
  #abort = new AbortController();

  // The context also has { rest, messagesPath, resumeFrom: parameters }.
  constructor(context) {
    super("stream", context);
    this.alarm(context.timing.connect, () => this.end({ reason: "no history in time" }));
    this.#read().then(() => this.end({ reason: "the stream ended" }), error => this.end(downOf(error)));
  }

  release() { this.#abort.abort(); }

  // A stream cannot be asked for a sign of life. If it has been silent, the client opens a new one.
  probe() {
    if (Date.now() - this.heardAt > this.context.timing.silence / 2) this.end({ reason: "silent" });
  }

  async #read() {
    const { rest, messagesPath, resumeFrom } = this.context;
    const response = await rest.fetch(`${messagesPath}?${new URLSearchParams(resumeFrom)}`, { headers: { Accept: "text/event-stream" }, signal: this.#abort.signal });
    const type = response.headers.get("Content-Type") ?? "";
    if (!response.ok || !type.startsWith("text/event-stream") || !response.body) throw await refusalOf(response);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser((type, data) => this.#take(type, JSON.parse(data)));
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.hasEnded) return;
      parser.push(decoder.decode(value, { stream: true }));
      this.hear();
      if (this.isOpen) this.alarm(this.context.timing.silence * 2, () => this.end({ reason: "silent" }));
    }
  }

  // Before the server ends a stream it says why, as it does on a socket.
  #take(type, data) {
    if (type === "message") this.hear(data);
    else if (type === "close") this.end({ ...data, verdict: verdictOfClose(data.code) });
  }
}

// The text/event-stream format, as far as the server uses it: event, data and comments. The parser ignores ids,
// because the seq of each event says where a reader got to.
class EventParser {
  #rest = "";
  #type = "message";
  #data = [];
  #onEvent;

  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  push(text) {
    this.#rest += text;
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    if (this.#rest.length > MAX_STREAMED_CHARS) throw new Error("an event too long");
    lines.forEach(line => this.#take(line));
  }

  #take(line) {
    if (line === "") {
      const data = this.#data.splice(0);
      if (data.length > 0) this.#onEvent(this.#type, data.join("\n"));
      this.#type = "message";
      return;
    }
    const [, field, value] = /^(\w*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "data") this.#data.push(value ?? "");
    else if (field === "event") this.#type = value || "message";
  }
}

// Long poll: asks again and again for the events after the last one.
class PollLink extends Link {
  #abort = new AbortController();
  #after;
  #epoch;                              // to which #after belongs; undefined: the server has none

  // The context also has { rest, messagesPath, resumeFrom: parameters }.
  constructor(context) {
    super("poll", context);
    ({ after: this.#after = -1, epoch: this.#epoch } = context.resumeFrom);
    this.alarm(context.timing.connect, () => this.end({ reason: "no history in time" }));
    this.#read().then(undefined, error => this.end(downOf(error)));
  }

  release() { this.#abort.abort(); }

  probe() {
    if (Date.now() - this.heardAt > this.context.timing.silence / 2) this.end({ reason: "silent" });
  }

  async #read() {
    if (this.#after >= 0) await this.#forward(0);
    else await this.#startOver();
    const { poll, pollGap, answer } = this.context.timing;
    while (!this.hasEnded) {
      const asked = Date.now();
      this.alarm(poll + answer, () => this.end({ reason: "no answer in time" }));
      const came = await this.#forward(Math.round(poll / 1000));
      const isHeld = came > 0 || Date.now() - asked > pollGap / 2;
      if (!isHeld) await new Promise(resolve => this.alarm(pollGap, resolve));
    }
  }

  async #startOver() {
    const page = await this.#get("");
    const { results: messages, last_seq, epoch } = page;
    [this.#after, this.#epoch] = [last_seq, epoch];
    this.hear({ type: "message_history", messages, last_seq, epoch });
  }

  // Returns how many events came.
  async #forward(wait_s) {
    const query = new URLSearchParams({ ...resumeFrom(this.#after, this.#epoch), limit: 100 });
    if (wait_s > 0) query.set("wait", wait_s);
    const page = await this.#get(`?${query}`);
    const isOther = this.#epoch !== undefined && page.epoch !== this.#epoch;
    if (isOther || page.last_seq < this.#after || page.last_seq - this.#after > RESUME_LIMIT) {
      await this.#startOver();
      return 1;
    }
    // Not last_seq, because the room may have more events than fit on this page.
    this.#after = page.results.at(-1)?.seq ?? this.#after;
    this.#epoch = page.epoch;
    this.hear({ type: "message_history", messages: page.results, last_seq: this.#after, epoch: page.epoch, recovered: true });
    return page.results.length;
  }

  async #get(query) {
    const { rest, messagesPath } = this.context;
    this.token = rest.token;
    return rest.json("GET", messagesPath + query, undefined, this.#abort.signal);
  }
}

// ---- HTTP ----------------------------------------------------------------------------------------

class Rest {
  #base;
  #fetch;
  #getToken;

  constructor(base, fetch, getToken) {
    this.#base = base;
    this.#fetch = fetch;
    this.#getToken = getToken;
  }

  get token() { return this.#getToken(); }

  async fetch(path, { headers, ...rest }) {
    return this.#fetch(new URL(path, this.#base).href, {
      cache: "no-store",
      headers: { Authorization: `Bearer ${this.#getToken()}`, ...headers },
      ...rest,
    });
  }

  // Returns the JSON of the answer. Throws a Refusal if the server refuses the request.
  async json(method, path, body, signal) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await this.fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
    const type = response.headers.get("Content-Type") ?? "";
    if (!response.ok || !type.startsWith("application/json")) throw await refusalOf(response);
    return response.json();
  }
}

// An HTTP answer that is not the expected JSON, mostly a refusal of the server.
class Refusal extends Error {
  constructor(status, body, retryAfter) {
    super(body?.message ?? `HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }

  get verdict() {
    if (this.status === 401) return "unauthorized";
    const isAboutMe = this.body?.code === "forbidden" || this.body?.code === "origin_not_allowed";
    return this.status === 403 && isAboutMe ? "forbidden" : undefined;
  }

  // True if it does not help to send the same request again.
  get isFinal() {
    return this.status >= 400 && this.status < 500 && this.body?.type === "error"
      && this.retryAfter === undefined && this.verdict === undefined;
  }
}

async function refusalOf(response) {
  let body;
  try {
    body = JSON.parse(await response.text());
  } catch {
    body = undefined;                  // a proxy in between has answered
  }
  const retryAfter = body?.retry_after ?? (Number(response.headers.get("Retry-After")) || undefined);
  return new Refusal(response.status, body, retryAfter);
}

// The parameters that say from where a client resumes. A server that has no epochs gets none.
function resumeFrom(after, epoch) {
  if (after < 0) return {};
  return epoch === undefined ? { after } : { after, epoch };
}

function downOf(error) {
  if (!(error instanceof Refusal)) return { reason: error?.message ?? String(error) };
  const { status, verdict, retryAfter, message } = error;
  return { status, verdict, retryAfter, reason: message };
}

function verdictOfClose(code) {
  if (code === CLOSED.unauthorized) return "unauthorized";
  return code === CLOSED.forbidden ? "forbidden" : undefined;
}

// ---- small things --------------------------------------------------------------------------------

function newId() {
  if (globalThis.crypto?.randomUUID) return crypto.randomUUID();
  // Pages over plain HTTP have no randomUUID.
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.random() * 256);
  return Array.from(bytes, byte => Math.floor(byte).toString(16).padStart(2, "0")).join("");
}

// Milliseconds since 1970, or undefined if the token has no readable exp.
function expiryOf(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(claims));
    return Number.isFinite(exp) ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

// Half of a surrogate pair is not a character, and would make the JSON invalid.
function wellFormed(text) {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "\uFFFD");
}

function backoff(min, max, tries) {
  return Math.min(max, min * 2 ** Math.min(tries, 20)) * (0.5 + Math.random() / 2);
}

// Milliseconds after which a server that reloads wants the client back, if it says so.
function toldDelay(reason) {
  const [, ms] = /retry after (\d{1,6}) ms/.exec(reason ?? "") ?? [];
  return ms === undefined ? undefined : Number(ms);
}

// Resolves after a time, or earlier if the signal is aborted or somebody calls the function in `sleepers`.
function pause(ms, signal, sleepers) {
  return new Promise(resolve => {
    const timer = setTimeout(wake, ms);
    function wake() {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      sleepers.delete(wake);
      resolve();
    }
    if (signal.aborted) wake();
    signal.addEventListener("abort", wake);
    sleepers.add(wake);
  });
}

// ---- the chat ------------------------------------------------------------------------------------

/** See tripchat.d.ts. */
// A trip's id as text. JavaScript rounds greater numbers: they must be strings.
function textOfId(id) {
  if (typeof id === "bigint" || Number.isSafeInteger(id) || (typeof id === "string" && id !== "")) return String(id);
  throw new TypeError("TripChat needs a tripId: a text that is not empty, or a safe integer");
}

export class TripChat {
  #options;
  #timing;
  #texts;
  #rest;
  #messagesPath;
  #listeners = new Map();              // name of an event to a Set of functions
  #changed = new Set();                // events that wait for the end of the task

  #list;
  #generation = 0;                     // of the list: counts fresh starts
  #seq = -1;                           // every event up to this seq has been received; -1: none yet
  #epoch;                              // to which #seq belongs; undefined: the server has no epochs
  #outbox;
  #typists = new Map();                // user id to { user_id, user_email, timer }

  #status;
  #running = null;                     // AbortController of run()
  #link = null;
  #sleepers = new Set();               // call these functions to try again now
  #climber = null;                     // identifies the climb() that is running
  #prefersFallback = false;            // sockets failed while a fallback worked
  #streamFailures = 0;
  #token;
  #refusedToken = null;
  #refusals = 0;                       // in a row
  #canAuthenticate = true;
  #renewTimer;

  #isPosting = false;
  #postFailures = 0;                   // in a row
  #isHeld = false;                     // nothing is sent for now: the server asked for a pause, or cannot be reached
  #heldUntil = 0;
  #heldTimer;
  #isTyping = false;
  #typingTold = { isTyping: false, at: 0 }; // the last that the server was told over this link
  #typingTimer;
  #tellTimer;

  constructor(options) {
    this.#options = { ...DEFAULTS, ...options };
    this.#options.tripId = textOfId(this.#options.tripId);
    const base = this.#options.url ?? globalThis.location?.origin;
    if (!base) throw new TypeError("TripChat needs a url where there is no page");
    this.#options.url = base.endsWith("/") ? base : `${base}/`;
    this.#options.WebSocket = "WebSocket" in this.#options ? this.#options.WebSocket : globalThis.WebSocket;
    this.#timing = { ...TIMING_MS, ...options.timing };
    this.#texts = { ...TEXTS, ...options.texts };
    this.#token = options.token ?? null;
    const fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    this.#rest = new Rest(new URL(this.#options.apiPath, this.#options.url), fetch, () => this.#token);
    this.#messagesPath = `rooms/${encodeURIComponent(this.#options.tripId)}/messages/`;
    this.#list = new MessageList(this.#options.maxMessages);
    this.#outbox = new Outbox(this.#options.maxPending);
    this.#status = { state: "idle", text: this.#texts.idle, isRealtime: false, transport: null };
  }

  // ---- what the page asks ----

  get status() { return this.#status; }
  get messages() { return this.#list.all; }
  get pending() { return this.#outbox.all; }
  get typists() { return [...this.#typists.values()].map(({ user_id, user_email }) => ({ user_id, user_email })); }
  get hasOlder() { return this.#list.hasOlder && !this.#list.isFull; }
  get lastSeq() { return this.#seq; }

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
    return () => { this.#listeners.get(event).delete(listener); };
  }

  connect() {
    if (this.#running) return this;
    this.#running = new AbortController();
    this.#refusals = 0;
    this.#listenToPage(this.#running.signal);
    this.#show("connecting");
    this.#run(this.#running.signal);
    return this;
  }

  // Ends the chat: no timer, no connection and no listener on the page is left.
  close() {
    this.#halt("closed");
    this.#outbox.refuseAll(new ChatError({ code: "closed", message: "The chat was closed." }));
    this.#changes("pending");
  }

  setToken(token) {
    this.#token = token;
    this.#refusals = 0;
    this.#planRenewal();
    if (this.#link) this.#renewLink();
    this.#wake();
    return this;
  }

  send(content, { replyTo, messageType = "text" } = {}) {
    const body = { type: "chat_message", content: wellFormed(content), message_type: messageType };
    if (replyTo) body.reply_to = replyTo;
    return this.#post("message", body);
  }

  edit(messageId, content) {
    return this.#post("edit", { type: "edit_message", message_id: messageId, content: wellFormed(content) });
  }

  // The page calls this at every key press. The indicator stops by itself.
  typing(isTyping = true) {
    clearTimeout(this.#typingTimer);
    this.#isTyping = isTyping && this.#running !== null;
    if (this.#isTyping) this.#typingTimer = setTimeout(() => this.typing(false), this.#timing.typing);
    this.#tellTyping();
  }

  // Loads the messages before the oldest one. Resolves with true if there are more.
  async loadOlder({ limit = 50 } = {}) {
    const first = this.#list.first;
    if (!this.hasOlder || !first) return false;
    const generation = this.#generation;
    const page = await this.#json("GET", `${this.#messagesPath}?before=${first.seq}&limit=${limit}`)
      .catch(error => { throw new ChatError({ code: "unavailable", message: error.message, ...error.body }); });
    // Meanwhile the list may have started over, or another call may have been faster.
    if (generation === this.#generation && this.#list.first?.id === first.id) {
      this.#list.putOlder(page.results, page.next !== null);
      this.#changes("messages");
    }
    return this.hasOlder;
  }

  // ---- connecting ----

  async #run(signal) {
    for (let tries = 0; !signal.aborted;) {
      if (!(await this.#haveToken(signal, tries))) { tries++; continue; }
      const startedAt = Date.now();
      const { link, down } = await this.#openBest(signal, tries);
      const end = link ? await this.#stay(link, signal) : down;
      if (signal.aborted) return;
      if (link && Date.now() - startedAt > this.#timing.steady) tries = 0;
      if (end.verdict === "forbidden") {
        this.#halt("forbidden", end.reason);
      } else if (end.verdict === "unauthorized") {
        this.#refusedToken = end.token; // a renewal may have brought another one meanwhile
        this.#refusals++;
      } else {
        this.#show("offline", end.reason);
        await pause(this.#delay(end, tries++), signal, this.#sleepers);
      }
    }
  }

  #delay({ code, reason, retryAfter }, tries) {
    const { retryMin, retryMax, reload } = this.#timing;
    if (code === CLOSED.reloads) return toldDelay(reason) ?? Math.random() * reload;
    return Math.max(backoff(retryMin, retryMax, tries), (retryAfter ?? 0) * 1000 * (1 + Math.random() / 4));
  }

  // Returns { link } that has brought the history, or { down }: how the last link failed.
  async #openBest(signal, tries) {
    const { WebSocket } = this.#options;
    let down;
    for (const kind of this.#kindsToTry()) {
      const link = this.#newLink(kind);
      down = await openedUnder(link, signal);
      if (!down) {
        this.#prefersFallback = kind !== "socket" && WebSocket !== undefined;
        return { link };
      }
      if (kind === "stream") this.#streamFailures++;
      const isBusy = down.code === CLOSED.reloads || down.code === CLOSED.busy;
      if (signal.aborted || down.verdict || (isBusy && tries < FAILURES_BEFORE_FALLBACK)) return { down };
    }
    this.#prefersFallback = false;
    this.#streamFailures = 0;
    return { down };
  }

  #kindsToTry() {
    const fallback = this.#streamFailures > 2 ? ["poll", "stream"] : ["stream", "poll"];
    if (!this.#options.WebSocket) return fallback;
    return this.#prefersFallback ? [...fallback, "socket"] : ["socket", ...fallback];
  }

  #newLink(kind) {
    const context = { timing: this.#timing, token: this.#token, onEvent: (event, link) => this.#receive(event, link) };
    if (kind === "socket") return new SocketLink({ ...context, ...this.#socketAddress() });
    Object.assign(context, { rest: this.#rest, messagesPath: this.#messagesPath, resumeFrom: resumeFrom(this.#seq, this.#epoch) });
    return kind === "stream" ? new StreamLink(context) : new PollLink(context);
  }

  #socketAddress() {
    const { WebSocket, url, socketPath, tripId, tokenIn } = this.#options;
    const address = new URL(`${socketPath}${encodeURIComponent(tripId)}/`, url);
    address.protocol = address.protocol.replace("http", "ws");
    for (const [name, value] of Object.entries(resumeFrom(this.#seq, this.#epoch))) address.searchParams.set(name, value);
    if (tokenIn === "query") address.searchParams.set("token", this.#token);
    const protocols = tokenIn === "query" ? [] : ["tripchat", `bearer.${this.#token}`];
    return { WebSocket, url: address.href, protocols };
  }

  // Uses the link, and the links that replace it. Resolves with how the last one ended.
  async #stay(link, signal) {
    this.#use(link);
    for (;;) {
      const current = this.#link ?? link;
      const end = await current.ended;
      if (signal.aborted) return end;
      if (this.#link !== current) continue;
      this.#unuse(end);
      if (current.kind === "stream" && Date.now() - current.openedAt < this.#timing.steady) this.#streamFailures++;
      return end;
    }
  }

  #use(link) {
    const old = this.#link;
    this.#link = link;
    link.openedAt = Date.now();
    old?.close();
    this.#refusals = 0;
    this.#planRenewal();
    this.#typingTold = { isTyping: false, at: 0 };
    this.#show(link.kind === "socket" ? "realtime" : "fallback");
    if (link.kind === "socket") this.#streamFailures = 0;
    else if (this.#options.WebSocket && old?.kind !== "stream" && old?.kind !== "poll") this.#climb();
    this.#flush();
  }

  #unuse(end) {
    const link = this.#link;
    this.#link = null;
    this.#forgetTypists();
    if (end.code !== CLOSED.tooBig) return;
    // One of the messages sent over this link was too long for the server: most likely the longest.
    const [longest] = this.#outbox.sentOn(link).sort((a, b) => b.shown.content.length - a.shown.content.length);
    if (longest) this.#refuse(longest, { code: "content_too_long", message: "The message is too long." });
  }

  // Tries to open a socket while a fallback is in use.
  async #climb() {
    const { signal } = this.#running;
    const { climbMin, climbMax } = this.#timing;
    const climber = {};
    const goesOn = () => this.#climber === climber && this.#link && this.#link.kind !== "socket";
    this.#climber = climber;
    for (let tries = 0; goesOn(); tries++) {
      const over = new AbortController();
      this.#link.ended.then(() => over.abort());
      await pause(backoff(climbMin, climbMax, tries), over.signal, this.#sleepers);
      if (!goesOn()) return;
      const socket = this.#newLink("socket");
      const down = await openedUnder(socket, signal);
      if (!goesOn()) {
        socket.close();
      } else if (!down) {
        this.#prefersFallback = false;
        this.#use(socket);
      } else if (down.verdict) {
        this.#link.end(down);
      }
    }
  }

  #wake() {
    for (const wake of [...this.#sleepers]) wake();
  }

  // A page, if there is one, knows when the network may have gone or come back.
  #listenToPage(signal) {
    if (typeof globalThis.addEventListener !== "function") return;
    const look = () => {
      this.#link?.probe();
      this.#wake();
    };
    globalThis.addEventListener("online", look, { signal });
    globalThis.addEventListener("pageshow", event => event.persisted && look(), { signal });
    globalThis.addEventListener("offline", () => this.#link?.probe(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") look();
    }, { signal });
  }

  #halt(state, reason) {
    this.#running?.abort();
    this.#running = null;
    this.#link?.close();
    this.#link = null;
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#heldTimer);
    this.#isHeld = false;
    this.typing(false);
    clearTimeout(this.#tellTimer);
    this.#forgetTypists();
    this.#show(state, reason);
  }

  #show(state, reason) {
    const transport = this.#link?.kind ?? null;
    const was = this.#status;
    if (was.state === state && was.transport === transport) return;
    if (was.state === "closed" && state === "closed") return;
    this.#status = { state, text: this.#texts[state], isRealtime: state === "realtime", transport };
    if (reason) this.#status.reason = reason;
    this.#emit("status", this.#status);
  }

  // ---- tokens ----

  // True if there is a token to try. If none can be had, shows so and halts.
  async #haveToken(signal, tries) {
    const isRefused = this.#token !== null && this.#token === this.#refusedToken;
    const isPast = this.#token !== null && expiryOf(this.#token) < Date.now();
    if (this.#token !== null && !isRefused && !isPast) return true;
    if (!this.#options.getToken || this.#refusals > 1) {
      // A token that has expired by this clock may still be good by the server's clock.
      if (this.#token !== null && !isRefused && this.#refusals < 2) return true;
      this.#halt("unauthorized");
      return false;
    }
    let fresh;
    try {
      fresh = await this.#options.getToken({ reason: isRefused ? "refused" : isPast ? "expired" : "start" });
    } catch (error) {
      // The page has no token now. This is not the same as a user who is signed out.
      if (signal.aborted) return false;
      this.#show("offline", error?.message);
      await pause(backoff(this.#timing.retryMin, this.#timing.retryMax, tries), signal, this.#sleepers);
      return false;
    }
    if (signal.aborted) return false;
    if (fresh && fresh !== this.#refusedToken) {
      this.#token = fresh;
      return true;
    }
    if (isPast && !isRefused && fresh === this.#token) return true;
    this.#halt("unauthorized");
    return false;
  }

  #planRenewal() {
    clearTimeout(this.#renewTimer);
    const left = (this.#token ? expiryOf(this.#token) ?? Infinity : Infinity) - Date.now();
    if (!this.#options.getToken || !this.#running || !(left > 0) || left > 2 ** 31 - 1) return;
    const wait = left - Math.min(this.#timing.renewBefore, left / 5);
    this.#renewTimer = setTimeout(() => this.#renew(), wait);
  }

  async #renew() {
    const signal = this.#running?.signal;
    let fresh;
    try {
      fresh = await this.#options.getToken({ reason: "expiring" });
    } catch {
      fresh = null;
    }
    if (!signal || signal.aborted) return;
    const isNew = fresh && fresh !== this.#token;
    if (isNew) this.#token = fresh;
    // Without a new token the next try comes in the last fifth of the time left, down to a second.
    if (isNew || expiryOf(this.#token) - Date.now() > 1000) this.#planRenewal();
    if (isNew && this.#link) await this.#renewLink();
  }

  // Gives the new token to the link. A socket tells the server; otherwise a new link with the token replaces the
  // old link as soon as the new one is open.
  async #renewLink() {
    const link = this.#link;
    const signal = this.#running.signal;
    if (link.kind === "poll") return;  // the next request of the poll has the new token
    if (link.kind === "socket" && this.#canAuthenticate) {
      const old = link.token;
      link.token = this.#token;
      const answer = await link.ask({ type: "authenticate", token: link.token });
      if (!answer || answer.type !== "error") return;
      link.token = old;
      if (answer.code === "unknown_type") this.#canAuthenticate = false;
    }
    if (signal.aborted || this.#link !== link) return;
    const next = this.#newLink(link.kind);
    const down = await openedUnder(next, signal);
    if (signal.aborted || this.#link !== link) next.close();
    else if (!down) this.#use(next);
    else if (down.verdict) link.end(down);
    // Otherwise the old link stays in use as long as the server allows it.
  }

  // ---- what comes ----

  #receive(event, link) {
    switch (event.type) {
      case "message_history":
        this.#takeHistory(event);
        break;
      case "chat_message":
        this.#forgetTypist(event.message.sender.id);
        this.#takeMessage(event);
        break;
      case "message_edited":
        this.#list.change(event.message);
        this.#seq = Math.max(this.#seq, event.message.seq);
        this.#confirm(event.client_id, event.message);
        this.#changes("messages");
        break;
      case "typing":
        if (event.is_typing) this.#rememberTypist(event);
        else this.#forgetTypist(event.user_id);
        break;
      case "error":
        this.#takeError(event, link);
        break;
      case "token_expiring":           // the server's clock counts, not this one
        clearTimeout(this.#renewTimer);
        this.#renew();
        break;
      default:                         // an event of a later version of the server
    }
  }

  #takeHistory({ messages, last_seq, epoch, recovered }) {
    this.#epoch = epoch;
    if (recovered === true && this.#seq >= 0) {
      for (const message of messages) {
        const isNew = this.#list.put(message);
        if (isNew) this.#emit("message", message);
      }
      this.#seq = Math.max(this.#seq, last_seq);
    } else {
      this.#list.startOver(messages);
      this.#generation++;
      this.#seq = last_seq;
    }
    for (const message of messages) {
      for (const entry of this.#outbox.editsSeenIn(message)) this.#confirm(entry.shown.client_id, message);
    }
    this.#changes("messages");
  }

  #takeMessage({ message, client_id }) {
    const isNew = this.#list.put(message);
    this.#seq = Math.max(this.#seq, message.seq);
    if (isNew) this.#emit("message", message);
    this.#confirm(client_id, message);
    this.#changes("messages");
  }

  #takeError(error, link) {
    const entry = this.#outbox.get(error.client_id);
    if (entry && error.retry_after !== undefined) {
      if (entry.sentOn === link) entry.sentOn = null;
      this.#hold(error.retry_after * 1000);
    } else if (entry) {
      this.#refuse(entry, error);
    } else {
      this.#emit("error", new ChatError(error));
    }
  }

  #rememberTypist({ user_id, user_email }) {
    clearTimeout(this.#typists.get(user_id)?.timer);
    const timer = setTimeout(() => this.#forgetTypist(user_id), this.#timing.typist);
    this.#typists.set(user_id, { user_id, user_email, timer });
    this.#changes("typing");
  }

  #forgetTypist(userId) {
    const typist = this.#typists.get(userId);
    if (!typist) return;
    clearTimeout(typist.timer);
    this.#typists.delete(userId);
    this.#changes("typing");
  }

  #forgetTypists() {
    for (const userId of [...this.#typists.keys()]) this.#forgetTypist(userId);
  }

  // ---- what goes ----

  #post(kind, body) {
    const client_id = newId();
    Object.assign(body, { client_id });
    const error = this.#objectionTo(body);
    if (error) {
      const refused = Promise.reject(new ChatError({ ...error, client_id }));
      refused.catch(() => {});
      return refused;
    }
    this.typing(false);
    const { type, ...shown } = body;
    const { done } = this.#outbox.add(Object.freeze({ kind, created_at: new Date().toISOString(), ...shown }), body);
    this.#changes("pending");
    this.#flush();
    return done;
  }

  // The server shows one change a second. It drops a change that is taken back within that second.
  #tellTyping() {
    clearTimeout(this.#tellTimer);
    if (this.#link?.kind !== "socket") return;
    const { isTyping, at } = this.#typingTold;
    const since = Date.now() - at;
    const isNews = this.#isTyping !== isTyping || (isTyping && since > this.#timing.typing * 0.7);
    if (!isNews) return;
    if (this.#isTyping && since < this.#timing.typingGap) {
      this.#tellTimer = setTimeout(() => this.#tellTyping(), this.#timing.typingGap - since);
      return;
    }
    this.#link.sendTyping(this.#isTyping);
    this.#typingTold = { isTyping: this.#isTyping, at: Date.now() };
  }

  // Refuses what the server would refuse in any case, and what would cost the connection.
  #objectionTo(body) {
    if (this.#status.state === "closed") return { code: "closed", message: "The chat was closed." };
    if (body.content.trim() === "") return { code: "empty_content", message: "Message content cannot be empty.", field: "content" };
    if (new TextEncoder().encode(JSON.stringify(body)).length > MAX_FRAME_BYTES - 256) {
      return { code: "content_too_long", message: "Message content is too long.", field: "content" };
    }
    return this.#outbox.isFull
      ? { code: "too_many_pending", message: "Too many messages wait to be sent." } : undefined;
  }

  // Sends the entries that have not been sent over this link: over a socket all at once, otherwise one by one.
  #flush() {
    const link = this.#link;
    if (!link || this.#isPosting || this.#isHeld) return;
    if (link.kind !== "socket") {
      this.#postAll();
      return;
    }
    for (const entry of this.#outbox.unsent(link)) {
      entry.sentOn = link;
      link.send(entry.body);
    }
  }

  async #postAll() {
    this.#isPosting = true;
    const postsTo = () => this.#link && this.#link.kind !== "socket" && !this.#isHeld;
    for (let entry; postsTo() && ([entry] = this.#outbox.unsent(undefined)) && entry;) {
      const isAnswered = await this.#postOne(entry);
      this.#postFailures = isAnswered ? 0 : this.#postFailures + 1;
    }
    this.#isPosting = false;
    if (this.#link?.kind === "socket") this.#flush();
  }

  // Returns true if the server has answered for the entry, whether it stored or refused it.
  async #postOne(entry) {
    const token = this.#token;
    const { type, message_id, ...fields } = entry.body;
    const link = this.#link;
    entry.sentOn = link;
    try {
      const message = entry.shown.kind === "edit"
        ? await this.#json("PATCH", `messages/${encodeURIComponent(message_id)}/`, { content: fields.content })
        : await this.#json("POST", "messages/", { chat_room: this.#options.tripId, ...fields });
      if (entry.shown.kind === "edit") this.#list.change(message);
      else if (this.#list.put(message)) this.#emit("message", message);
      this.#changes("messages");
      this.#confirm(entry.shown.client_id, message);
      return true;
    } catch (error) {
      entry.sentOn = null;
      if (error.isFinal) {
        this.#refuse(entry, error.body);
        return true;
      }
      if (error.verdict) {
        if (token === this.#token && this.#link === link) link?.end({ ...downOf(error), token });
      } else {
        const { retryMin, retryMax } = this.#timing;
        this.#hold(error.retryAfter ? error.retryAfter * 1000 : backoff(retryMin, retryMax, this.#postFailures));
      }
      return false;
    }
  }

  // Makes a request that ends with the chat, or when it takes too long.
  async #json(method, path, body) {
    const abort = new AbortController();
    const signal = this.#running?.signal;
    const timer = setTimeout(() => abort.abort(), this.#timing.answer);
    const stop = () => abort.abort();
    signal?.addEventListener("abort", stop);
    try {
      return await this.#rest.json(method, path, body, abort.signal);
    } catch (error) {
      throw error instanceof Refusal || signal?.aborted ? error
        : new Refusal(0, { type: "error", code: "unreachable", message: "The server cannot be reached." });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }

  // Sends nothing for this time. A longer pause that already runs is not shortened. The timer alone ends the pause,
  // because clocks differ.
  #hold(ms) {
    const until = Date.now() + ms;
    if (!this.#running || (this.#isHeld && until <= this.#heldUntil)) return;
    clearTimeout(this.#heldTimer);
    this.#heldUntil = until;
    this.#isHeld = true;
    this.#heldTimer = setTimeout(() => this.#letGo(), ms);
  }

  #letGo() {
    clearTimeout(this.#heldTimer);
    this.#isHeld = false;
    this.#flush();
  }

  #confirm(clientId, message) {
    const entry = this.#outbox.get(clientId);
    if (!entry) return;
    this.#outbox.confirm(entry, this.#list.get(message.id) ?? message);
    this.#changes("pending");
  }

  #refuse(entry, error) {
    const refusal = new ChatError({ ...error, client_id: entry.shown.client_id });
    this.#outbox.refuse(entry, refusal);
    this.#changes("pending");
    this.#emit("error", refusal, entry.shown);
  }

  // ---- events ----

  // Several changes in one task become one event.
  #changes(event) {
    if (this.#changed.size === 0) queueMicrotask(() => this.#emitChanges());
    this.#changed.add(event);
  }

  #emitChanges() {
    const changed = [...this.#changed];
    this.#changed.clear();
    const values = { messages: () => this.messages, pending: () => this.pending, typing: () => this.typists };
    for (const event of changed) this.#emit(event, values[event]());
  }

  // The page must see the exception of a listener, but the exception must not stop the chat.
  #emit(event, ...values) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
  }
}

// Resolves with undefined when the link is open, or with how it failed. An aborted signal closes the link.
async function openedUnder(link, signal) {
  const stop = () => link.close();
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  const down = await link.opened;
  signal.removeEventListener("abort", stop);
  return down;
}

export { TEXTS as STATUS_TEXTS };

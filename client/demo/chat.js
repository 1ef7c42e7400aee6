// The demo page: picks a person of the demo, opens a socket, shows what comes. Content only ever
// becomes text. docs/protocol.md says what goes over the wire.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const TYPING_MS = 3000;

const $ = id => document.getElementById(id);
const tokens = await (await fetch("tokens.json")).json();

let socket;
let lastSeq = -1;              // resume point: the newest event seen, -1 before the first history
let tries = 0;
let retryTimer;
let context = null;            // {reply: message} or {edit: message}
const pending = new Map();     // client_id to what was sent and not confirmed
const messages = new Map();    // id to message, in the order of their seq
const typists = new Map();     // email to the timer that forgets it

function show(state, text) {
  $("status").className = state;
  $("status").textContent = text;
}

function connect() {
  const user = $("user").value;
  const resume = lastSeq < 0 ? "" : `?after=${lastSeq}`;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const url = `${scheme}//${location.host}/ws/chat/${$("trip").value}/${resume}`;

  show("", "Connecting…");
  const opened = new WebSocket(url, ["tripchat", `bearer.${tokens[user]}`]);
  opened.onmessage = event => opened === socket && receive(JSON.parse(event.data));
  opened.onclose = event => opened === socket && closed(event);
  socket = opened;
}

function closed(event) {
  if (event.code === 4001 || event.code === 4003) {
    show("closed", event.code === 4001 ? "Not signed in" : "You are not on this trip");
    return;
  }
  const wait = RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)] * (0.5 + Math.random());
  show("closed", "Disconnected. Trying again…");
  retryTimer = setTimeout(connect, wait);
}

function restart() {
  clearTimeout(retryTimer);
  const old = socket;
  socket = null;
  old?.close();
  lastSeq = -1;
  tries = 0;
  pending.clear();
  messages.clear();
  setContext(null);
  render();
  connect();
}

function receive(event) {
  switch (event.type) {
    case "message_history":
      if (event.recovered !== true) messages.clear();
      for (const message of event.messages) upsert(message);
      lastSeq = event.last_seq;
      tries = 0;
      show("open", "Connected (Real-time)");
      for (const sent of pending.values()) socket.send(JSON.stringify(sent));
      break;
    case "chat_message":
      pending.delete(event.client_id);
      forgetTypist(event.message.sender.email);
      upsert(event.message);
      lastSeq = Math.max(lastSeq, event.message.seq);
      break;
    case "message_edited":
      Object.assign(messages.get(event.message.id) ?? {}, edit(event.message));
      lastSeq = Math.max(lastSeq, event.message.seq);
      break;
    case "typing":
      if (event.is_typing) rememberTypist(event.user_email);
      else forgetTypist(event.user_email);
      return;
    case "error":
      failed(event);
      return;
  }
  render();
}

// What an edit changes of a message: not its place in the list.
function edit({content, is_edited, updated_at}) {
  return {content, is_edited, updated_at};
}

function upsert(message) {
  messages.set(message.id, message);
}

function failed(error) {
  if (error.retry_after && pending.has(error.client_id)) {
    const sent = pending.get(error.client_id);
    setTimeout(() => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(sent)),
      error.retry_after * 1000);
    return;
  }
  pending.delete(error.client_id);
  const line = document.createElement("li");
  line.className = "error";
  line.textContent = error.message;
  $("messages").append(line);
  line.scrollIntoView();
}

function rememberTypist(email) {
  clearTimeout(typists.get(email));
  typists.set(email, setTimeout(() => forgetTypist(email), TYPING_MS * 2));
  renderTypists();
}

function forgetTypist(email) {
  clearTimeout(typists.get(email));
  typists.delete(email);
  renderTypists();
}

function renderTypists() {
  const names = [...typists.keys()].map(email => email.split("@")[0]);
  $("typing").textContent = names.length ? `${names.join(", ")} typing…` : "";
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function button(text, action) {
  const made = element("button", "", text);
  made.type = "button";
  made.onclick = action;
  return made;
}

function line(message) {
  const item = document.createElement("li");
  const time = element("time", "", new Date(message.created_at).toLocaleTimeString());
  time.dateTime = message.created_at;
  item.append(element("span", "who", message.sender.full_name || message.sender.username), time);
  if (message.is_edited) item.append(element("span", "note", "edited"));
  item.append(button("Reply", () => setContext({reply: message})));
  if (message.sender.username === $("user").value) {
    item.append(button("Edit", () => setContext({edit: message})));
  }
  if (message.reply_to) {
    item.append(element("blockquote", "", `${message.reply_to.sender_email}: ${message.reply_to.content}`));
  }
  item.append(element("div", "", message.content));
  return item;
}

function render() {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.replaceChildren(...[...messages.values()].map(line));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function setContext(next) {
  context = next;
  $("context").hidden = !next;
  if (next) {
    const message = next.reply ?? next.edit;
    $("context").firstElementChild.textContent =
      `${next.reply ? "Reply to" : "Edit"}: ${message.content.slice(0, 80)}`;
    if (next.edit) $("content").value = message.content;
    $("content").focus();
  }
}

function send() {
  const content = $("content").value;
  if (!content.trim() || socket?.readyState !== WebSocket.OPEN) return;
  if (context?.edit) {
    socket.send(JSON.stringify({type: "edit_message", message_id: context.edit.id, content}));
  } else {
    const sent = {type: "chat_message", content, client_id: crypto.randomUUID?.() ?? String(Math.random())};
    if (context?.reply) sent.reply_to = context.reply.id;
    pending.set(sent.client_id, sent);
    socket.send(JSON.stringify(sent));
  }
  $("content").value = "";
  setContext(null);
  stopTyping();
}

let typingTimer;

function stopTyping() {
  if (!typingTimer) return;
  clearTimeout(typingTimer);
  typingTimer = undefined;
  sendTyping(false);
}

function sendTyping(is_typing) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({type: "typing", is_typing}));
}

$("content").oninput = () => {
  if (!typingTimer) sendTyping(true);
  clearTimeout(typingTimer);
  typingTimer = setTimeout(stopTyping, TYPING_MS);
};
$("content").onkeydown = event => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    send();
  }
};
$("form").onsubmit = event => {
  event.preventDefault();
  send();
};
$("cancel").onclick = () => setContext(null);
$("user").onchange = restart;
$("trip").onchange = restart;

connect();

// The demo page: picks a person of the demo and a trip, and shows what TripChat knows. Everything that
// people wrote becomes text (textContent), never markup.

import { TripChat } from "./tripchat.js";

const SAME_BREATH_MS = 5 * 60 * 1000;  // messages of one person within this stand together
const NEAR_END_PX = 60;

const $ = id => document.getElementById(id);
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

let chat;
let context = null;                    // { kind: "reply" or "edit", message }
let isFresh = true;                    // nothing of this room has been shown yet
const shown = new Map();               // id to { message, item, … } in the list
const days = new Map();                // date to its line in the list

// ---- who and where ----

function me() { return $("user").value; }

// A demo may leave tokens beside the page; a site asks its own back end here.
async function getToken() {
  const response = await fetch("tokens.json", { cache: "no-store" });
  return (await response.json())[me()];
}

function shorten(id) { return id.length > 16 ? `${id.slice(0, 8)}…` : id; }

function choose(select, value) {
  if (!value) return;
  if (![...select.options].some(option => option.value === value)) {
    select.append(new Option(select === $("trip") ? shorten(value) : value, value));
  }
  select.value = value;
}

function start() {
  chat?.close();
  isFresh = true;
  setContext(null);
  hideNotice();
  document.title = `${$("user").selectedOptions[0].text} – Trip chat`;
  history.replaceState(null, "", `?${new URLSearchParams({ user: me(), trip: $("trip").value })}`);

  chat = new TripChat({ tripId: $("trip").value, getToken });
  globalThis.tripchat = chat;          // to play with in the console
  chat.on("status", showStatus);
  chat.on("messages", showMessages);
  chat.on("pending", showPending);
  chat.on("typing", showTypists);
  chat.on("error", showRefusal);
  chat.on("message", message => message.sender.username !== me() && offerNewest());
  showMessages([]);
  showPending([]);
  showTypists([]);
  chat.connect();
}

function showStatus({ state, text }) {
  $("status").textContent = text;
  $("status").dataset.state = state;
  $("again").hidden = state !== "unauthorized" && state !== "forbidden";
}

// ---- messages ----

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, label, action) {
  const made = element("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", action);
  return made;
}

function excerpt(text, length = 80) {
  const characters = [...text.replace(/\s+/g, " ")];
  return characters.length > length ? `${characters.slice(0, length).join("")}…` : characters.join("");
}

function nameOf(sender) { return sender.full_name || sender.username || sender.email; }

function initialsOf(name) { return name.split(/\s+/).slice(0, 2).map(word => [...word][0] ?? "").join("").toUpperCase(); }

function tintOf(id) { return [...id].reduce((sum, character) => sum * 31 + character.codePointAt(0) >>> 0, 7) % 5; }

function quote({ id, content, sender_email }) {
  const original = chat.messages.find(message => message.id === id);
  const made = element("blockquote");
  made.append(element("b", "", original ? nameOf(original.sender) : sender_email), ` ${excerpt(original?.content ?? content, 200)}`);
  return made;
}

function itemOf(message) {
  const isOwn = message.sender.username === me();
  const name = nameOf(message.sender);
  const item = element("li", isOwn ? "message own" : "message");
  item.dataset.id = message.id;
  item.dataset.seq = message.seq;

  const head = element("div", "head");
  const time = element("time", "", timeFormat.format(new Date(message.created_at)));
  time.dateTime = message.created_at;
  time.title = new Date(message.created_at).toLocaleString();
  head.append(element("span", "who", isOwn ? "You" : name), time);

  const bubble = element("div", "bubble");
  if (message.reply_to) bubble.append(quote(message.reply_to));
  bubble.append(element("div", "content", message.content));
  if (message.is_edited) bubble.append(element("span", "note edited", "edited"));

  const actions = element("div", "actions");
  actions.append(button("Reply", `Reply to ${isOwn ? "yourself" : name}: ${excerpt(message.content, 40)}`,
    () => setContext({ kind: "reply", message })));
  if (isOwn) {
    actions.append(button("Edit", `Edit: ${excerpt(message.content, 40)}`, () => setContext({ kind: "edit", message })));
  }

  const avatar = element("span", `avatar tint${tintOf(message.sender.id)}`, initialsOf(name));
  avatar.setAttribute("aria-hidden", "true");
  item.append(head, avatar, bubble, actions);
  return item;
}

function dayOf(message) {
  const date = new Date(message.created_at);
  const key = date.toDateString();
  if (!days.has(key)) days.set(key, element("li", "day", dayFormat.format(date)));
  return { key, line: days.get(key) };
}

function follows(message, previous) {
  return previous !== undefined && previous.sender.id === message.sender.id
    && new Date(message.created_at) - new Date(previous.created_at) < SAME_BREATH_MS;
}

// Returns the items in order. If a message has not changed, its item is the same element as before.
function linesFor(messages) {
  const lines = [];
  let lastDay;
  let previous;
  for (const message of messages) {
    const day = dayOf(message);
    if (day.key !== lastDay) {
      lines.push(day.line);
      previous = undefined;
    }
    lastDay = day.key;
    let entry = shown.get(message.id);
    if (entry?.message !== message) {
      entry = { message, item: itemOf(message) };
      shown.set(message.id, entry);
    }
    entry.item.classList.toggle("follows", follows(message, previous));
    lines.push(entry.item);
    previous = message;
  }
  return lines;
}

// Moves only elements that are not in their place, so that a screen reader reads each new element once.
function lay(list, lines) {
  const wanted = new Set(lines);
  for (const line of [...list.children]) if (!wanted.has(line)) line.remove();
  lines.forEach((line, at) => {
    if (list.children[at] !== line) list.insertBefore(line, list.children[at] ?? null);
  });
}

function showMessages(messages) {
  const scroller = $("scroller");
  const wasAtEnd = isFresh || isAtEnd();
  const fromEnd = scroller.scrollHeight - scroller.scrollTop;
  const firstBefore = $("messages").querySelector(".message");
  // What was there before one came is not news.
  $("log").setAttribute("aria-live", isFresh ? "off" : "polite");

  const ids = new Set(messages.map(message => message.id));
  for (const id of shown.keys()) if (!ids.has(id)) shown.delete(id);
  lay($("messages"), linesFor(messages));

  $("older").hidden = !chat.hasOlder;
  $("beginning").hidden = chat.hasOlder || chat.lastSeq < 0;
  if (wasAtEnd) scroller.scrollTop = scroller.scrollHeight;
  else if (firstBefore !== $("messages").querySelector(".message")) scroller.scrollTop = scroller.scrollHeight - fromEnd;
  if (chat.lastSeq >= 0) isFresh = false;
}

function showPending(pending) {
  const wasAtEnd = isAtEnd();
  lay($("pending"), pending.filter(({ kind }) => kind === "message").map(({ content }) => {
    const item = element("li", "message own");
    const bubble = element("div", "bubble");
    bubble.append(element("div", "content", content), element("span", "note", "sending…"));
    item.append(bubble);
    return item;
  }));
  for (const { item } of shown.values()) item.querySelector(".saving")?.remove();
  for (const { kind, message_id } of pending) {
    if (kind === "edit") shown.get(message_id)?.item.querySelector(".bubble").append(element("span", "note saving", "saving…"));
  }
  if (wasAtEnd) $("scroller").scrollTop = $("scroller").scrollHeight;
}

function showTypists(typists) {
  const names = typists.map(({ user_id, user_email }) => {
    const message = chat.messages.findLast(({ sender }) => sender.id === user_id);
    return message ? nameOf(message.sender) : user_email.split("@")[0];
  });
  $("typing").textContent = names.length === 0 ? ""
    : names.length > 3 ? "Several people are typing…"
    : `${new Intl.ListFormat("en").format(names)} ${names.length > 1 ? "are" : "is"} typing…`;
}

// ---- scrolling ----

function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = $("scroller");
  return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
}

function offerNewest() {
  if (!isAtEnd()) $("newest").hidden = false;
}

let staysAtEnd = true;
$("scroller").addEventListener("scroll", () => {
  staysAtEnd = isAtEnd();
  if (staysAtEnd) $("newest").hidden = true;
});
// What one writes takes room from what one reads: the end stays in sight.
new ResizeObserver(() => {
  if (staysAtEnd) $("scroller").scrollTop = $("scroller").scrollHeight;
}).observe($("scroller"));
$("newest").addEventListener("click", () => {
  $("scroller").scrollTop = $("scroller").scrollHeight;
  $("content").focus();
});
$("older").addEventListener("click", async () => {
  $("older").disabled = true;
  $("log").setAttribute("aria-live", "off");
  try {
    await chat.loadOlder();
  } catch (error) {
    showNotice(`The older messages could not be loaded. ${error.message}`);
  }
  $("older").disabled = false;
  ($("older").hidden ? $("scroller") : $("older")).focus({ preventScroll: true });
});

// ---- writing ----

function setContext(next) {
  if (context?.kind === "edit" && next?.kind !== "edit") $("content").value = "";
  context = next;
  $("context").hidden = next === null;
  $("send").textContent = next?.kind === "edit" ? "Save" : "Send";
  if (next === null) return;
  const [what, quoted] = $("context").querySelectorAll("strong, span");
  what.textContent = next.kind === "edit" ? "Edit your message" : `Reply to ${nameOf(next.message.sender)}`;
  quoted.textContent = excerpt(next.message.content);
  if (next.kind === "edit") $("content").value = next.message.content;
  $("content").focus();
}

function send() {
  const content = $("content").value;
  if (content.trim() === "") return;
  hideNotice();
  if (context?.kind === "edit") chat.edit(context.message.id, content);
  else chat.send(content, { replyTo: context?.message.id });
  setContext(null);
  $("content").value = "";
  $("scroller").scrollTop = $("scroller").scrollHeight;
}

// A refused message goes back to where it was written, unless there is something else by now.
function showRefusal(error, refused) {
  showNotice(refused ? `Not sent. ${error.message}` : error.message);
  if (refused && $("content").value === "") $("content").value = refused.content;
}

function showNotice(text) {
  $("notice").hidden = false;
  $("notice").firstElementChild.textContent = text;
}

function hideNotice() {
  $("notice").hidden = true;
}

function editLast() {
  const last = chat.messages.findLast(({ sender }) => sender.username === me());
  if (last) setContext({ kind: "edit", message: last });
}

// On a telephone Enter begins a new line, as everywhere there.
const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)");

$("content").addEventListener("input", () => chat.typing($("content").value !== ""));
$("content").addEventListener("keydown", event => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey && hasKeyboard.matches) {
    event.preventDefault();
    send();
  } else if (event.key === "Escape" && context) {
    setContext(null);
  } else if (event.key === "ArrowUp" && $("content").value === "") {
    event.preventDefault();
    editLast();
  }
});
$("form").addEventListener("submit", event => {
  event.preventDefault();
  send();
  $("content").focus();
});
$("cancel").addEventListener("click", () => {
  setContext(null);
  $("content").focus();
});
$("notice").lastElementChild.addEventListener("click", hideNotice);
$("again").addEventListener("click", () => chat.connect());
$("user").addEventListener("change", start);
$("trip").addEventListener("change", start);

const asked = new URLSearchParams(location.search);
choose($("user"), asked.get("user"));
choose($("trip"), asked.get("trip"));
start();

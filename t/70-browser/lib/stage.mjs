// What the scripts here share: the line to Perl (TripChat::Stage), assertions, people with a browser,
// and what a room's list must be equal to.
//
// A wait ends when what it waits for has happened; patience only decides that it never will.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { writeFile } from "node:fs/promises";
import { isDeepStrictEqual, inspect } from "node:util";

const top = process.argv[2];
export const require = createRequire(`${top}/build/browser/`);
console.log = console.error;           // standard output is the line to Perl

// ---- the line to Perl ----

const asked = new Map();
let questions = 0;

function tell(message) { process.stdout.write(`${JSON.stringify(message)}\n`); }

const input = createInterface({ input: process.stdin });
input.on("line", line => {
  const { id, answer, error } = JSON.parse(line);
  const { resolve, reject } = asked.get(id);
  asked.delete(id);
  if (asked.size === 0) process.stdin.unref();
  if (error === undefined) resolve(answer);
  else reject(new Error(error));
});
process.stdin.unref();

export function ask(question, parameters = {}) {
  return new Promise((resolve, reject) => {
    const id = ++questions;
    asked.set(id, { resolve, reject });
    process.stdin.ref();
    tell({ id, ask: question, with: parameters });
  });
}

export const { url, htdocs, patience_s } = await ask("hello");
export const patience_ms = patience_s * 1000;

// ---- assertions ----

let place = "";

export function ok(isGood, name, diag) {
  tell({ test: { ok: Boolean(isGood), name: `${place}: ${name}`, diag } });
  return Boolean(isGood);
}

export function is(got, wanted, name) {
  const show = value => inspect(value, { depth: 9, maxArrayLength: 300, breakLength: 110 });
  return ok(isDeepStrictEqual(got, wanted), name, `got ${show(got)}\nnot ${show(wanted)}`);
}

// A part of the script; what it throws fails it, and the others go on. TC_SCENE runs those alone whose
// name it is in.
export async function scene(name, play) {
  if (process.env.TC_SCENE && !name.includes(process.env.TC_SCENE)) return;
  place = name;
  let timer;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still not over after ${2 * patience_s} s`)), 2 * patience_ms);
  });
  try {
    await Promise.race([play(), tooLong]);
  } catch (error) {
    ok(false, "goes to its end", error.stack);
  }
  clearTimeout(timer);
  for (const end of ends.splice(0).reverse()) await end();
}

// To be done when the scene is over.
const ends = [];
export function atEnd(end) { ends.push(end); }

// Waits until look() gives something true, and returns that.
export async function until(what, look) {
  const deadline = Date.now() + patience_ms;
  for (;;) {
    const result = await look();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`gave up after ${patience_s} s: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

// ---- rooms ----

export const newTrip = (options = {}) => ask("trip", options);
export const sql = text => ask("sql", { sql: text });

// What the database says of a trip's messages: [{ seq, content, isEdited }]
export async function stored(trip) {
  const lines = await sql(`SELECT m.seq, m.is_edited, m.content FROM chat_messages m
    JOIN chat_rooms r ON r.id = m.room_id WHERE r.trip_id = '${trip}' ORDER BY m.seq;`);
  return lines.map(line => {
    const [seq, isEdited, ...content] = line.split("|");
    return { seq: Number(seq), isEdited: isEdited === "1" || isEdited === "t", content: content.join("|") };
  });
}

export const plain = message => ({ seq: message.seq, isEdited: message.is_edited, content: message.content });

// Each list comes to be what the database has, and nothing else. lists: { name: () => [plain message] }
export async function equalDatabase(trip, lists, name = "the list is what the database has") {
  for (const [who, list] of Object.entries(lists)) {
    const wanted = await stored(trip);
    let got;
    await until("", async () => isDeepStrictEqual(got = await list(), wanted)).catch(() => {});
    is(got, wanted, `${name}: ${who}`);
  }
}

// Makes the room of a trip where nobody has been yet, with that many messages in it.
export async function fill(trip, count, sender = "ann") {
  const room = trip.replace(/^.{8}/, "0a0b0c0d");
  const [user] = await sql(`SELECT id FROM users WHERE username = '${sender}';`);
  const rows = Array.from({ length: count }, (_, at) => {
    const id = `${trip.slice(0, 8)}-0000-7000-8000-${String(at + 1).padStart(12, "0")}`;
    const time = new Date(Date.UTC(2026, 0, 1) + at * 60000).toISOString().replace("Z", "000Z");
    return `('${id}', '${room}', ${at + 1}, '${user}', 'message ${at + 1}', 'text', '${time}', '${time}')`;
  });
  await sql(`INSERT INTO chat_rooms (id, trip_id, last_seq, created_at)
    VALUES ('${room}', '${trip}', ${count}, '2026-01-01T00:00:00.000000Z');
    INSERT INTO chat_messages (id, room_id, seq, sender_id, content, message_type, created_at, updated_at)
    VALUES ${rows.join(",")};`);
}

// ---- people with a browser ----

const ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

// TC_CHROMIUM, or the first that PATH has of what distributions call it.
function browserPath() {
  const folders = (process.env.PATH || "").split(":").concat("/usr/lib64/chromium-browser", "/snap/bin");
  const found = ["chromium", "chromium-browser", "google-chrome"].flatMap(name => folders.map(folder => `${folder}/${name}`));
  return process.env.TC_CHROMIUM || found.find(existsSync) || "/usr/bin/chromium";
}

let browser;

export async function theBrowser() {
  const { chromium } = require("playwright-core");
  browser ??= await chromium.launch({ executablePath: browserPath(), args: ARGUMENTS });
  return browser;
}

// The tokens that the page finds beside it: { ann: token, … }
let tokens = {};
export async function giveTokens(given) {
  tokens = given;
  await writeFile(`${htdocs}/tokens.json`, JSON.stringify(tokens));
}

export async function usualTokens() {
  const names = ["ann", "bob", "carol", "dave"];
  const made = await Promise.all(names.map(name => ask("token", { name })));
  await giveTokens(Object.fromEntries(names.map((name, at) => [name, made[at]])));
}

// Somebody at the demo page.
export class Person {
  // from => the page's address, where it is not the server's own; options of a browser context
  static async at(trip, user, { from = url, ...options } = {}) {
    const context = await (await theBrowser()).newContext({ locale: "en-GB", ...options });
    atEnd(() => context.close());
    const page = await context.newPage();
    const person = new Person(page, user);
    await page.addInitScript(noteStatus);
    await page.goto(`${from}/?user=${user}&trip=${trip}`);
    return person;
  }

  constructor(page, user) {
    Object.assign(this, { page, user, complaints: [] });
    page.setDefaultTimeout(patience_ms);
    page.on("pageerror", error => this.complaints.push(String(error)));
    page.on("dialog", dialog => {
      this.complaints.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("console", message => {
      if (/Content Security Policy/.test(message.text())) this.complaints.push(message.text());
    });
  }

  status() { return this.page.locator("#status").textContent(); }

  hasStatus(text) {
    return this.page.waitForFunction(wanted => document.getElementById("status").textContent === wanted, text);
  }

  // What the status has said, in order, since the page was opened or this was called last.
  said() { return this.page.evaluate(() => statusSaid.splice(0)); }

  transport() { return this.page.evaluate(() => tripchat.status.transport); }

  async write(text) {
    await this.page.locator("#content").fill(text);
    await this.page.locator("#content").press("Enter");
  }

  // Writes, and waits until it is confirmed.
  async say(text) {
    await this.write(text);
    await this.sees(text);
    await this.hasSaid();
  }

  // All that was written is confirmed.
  hasSaid() { return this.page.waitForFunction(() => tripchat.pending.length === 0); }

  message(text) { return this.page.locator("#messages .message", { has: this.page.locator(".content", { hasText: text }) }); }

  sees(text) { return this.message(text).first().waitFor(); }

  // The list as the page shows it.
  list() {
    return this.page.evaluate(() => [...document.querySelectorAll("#messages .message, #pending .message")].map(item => ({
      seq: Number(item.dataset.seq),
      isEdited: item.querySelector(".edited") !== null,
      content: item.querySelector(".content").textContent,
    })));
  }
}

// Two of a trip, both with a socket: [ann, bob]
export async function annAndBob(trip) {
  const people = await Promise.all(["ann", "bob"].map(user => Person.at(trip, user)));
  await Promise.all(people.map(person => person.hasStatus(TEXT.realtime)));
  return people;
}

// Runs in the page, before anything of it.
function noteStatus() {
  globalThis.statusSaid = [];
  let last;
  new MutationObserver(() => {
    const text = document.getElementById("status")?.textContent;
    if (text && text !== last) statusSaid.push(last = text);
  }).observe(document, { childList: true, characterData: true, subtree: true });
}

export async function listsEqualDatabase(trip, ...people) {
  return equalDatabase(trip, Object.fromEntries(people.map(person => [person.user, () => person.list()])));
}

export const TEXT = {
  connecting: "Connecting…",
  realtime: "Connected (Real-time)",
  fallback: "Real-time chat unavailable. Using standard messaging.",
  offline: "Disconnected. Trying again…",
  unauthorized: "Not signed in. Please sign in again.",
  forbidden: "You are not on this trip.",
};

// The last line of a script. Chromium sometimes does not exit when it has closed: playwright kills it when node exits.
// A script without a browser ends when nothing is left to wait for, which is a test of the client.
export async function end() {
  if (!browser) return;
  await browser.close();
  process.exit();
}

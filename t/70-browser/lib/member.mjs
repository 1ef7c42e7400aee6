// Somebody in a room without a page: the client itself, in node, over the way one chooses.

import { TripChat } from "../../../client/tripchat.js";
import { ask, atEnd, equalDatabase, plain, require, until, url } from "./stage.mjs";

export const { WebSocket, WebSocketServer } = require("ws");

// Short enough that nobody waits for long; nothing is tested that depends on them.
export const SHORT = { retryMin: 50, retryMax: 400, climbMin: 50, climbMax: 400, pollGap: 200, reload: 100 };

export class Member {
  // over: socket (the way up and down as it comes), stream or poll (no sockets)
  // from: the address; further options of TripChat
  static async start(trip, user, { over = "socket", from = url, timing, ...options } = {}) {
    const token = options.getToken || "token" in options ? undefined : await ask("token", { name: user });
    return new Member(user, new TripChat({
      url: from, tripId: trip, token, WebSocket: over === "socket" ? WebSocket : undefined,
      timing: { ...SHORT, ...timing }, ...options,
    }));
  }

  // The same, and waits until the room is there.
  static async join(...parameters) {
    const member = await Member.start(...parameters);
    await member.is("realtime", "fallback");
    return member;
  }

  constructor(user, chat) {
    Object.assign(this, { user, chat, states: [], errors: [], news: [] });
    chat.on("status", ({ state }) => this.states.push(state));
    chat.on("error", error => this.errors.push(error.code));
    chat.on("message", message => this.news.push(message.seq));
    atEnd(() => chat.close());
    chat.connect();
  }

  get contents() { return this.chat.messages.map(({ content }) => content); }
  get seqs() { return this.chat.messages.map(({ seq }) => seq); }

  // Until the status is one of these.
  is(...states) {
    return until(`${this.user} to be ${states.join(" or ")}, not ${this.chat.status.state}`,
      () => states.includes(this.chat.status.state));
  }

  goesOver(transport) {
    return until(`${this.user} to go over a ${transport}`, () => this.chat.status.transport === transport);
  }

  sees(content) { return until(`${this.user} to see "${content}"`, () => this.contents.includes(content)); }

  // Says all of these, and waits for each to be confirmed.
  say(...contents) { return Promise.all(contents.map(content => this.chat.send(content))); }
}

export function membersEqualDatabase(trip, ...members) {
  return equalDatabase(trip, Object.fromEntries(members.map(member => [member.user, () => member.chat.messages.map(plain)])));
}

import { TripChat } from "../../client/tripchat.js";

import { Member } from "./lib/member.mjs";
import { ask, end, is, ok, scene, url } from "./lib/stage.mjs";

// What a page passes, and what the site's table has.
const TRIPS = [
  [42, "42"],
  [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  [9223372036854775807n, "9223372036854775807"],
  ["01arz3ndektsv4rrffq69g5fav", "01arz3ndektsv4rrffq69g5fav"],
  ["12:34", "12:34"],
  ["a@b+c,d=e~f", "a@b+c,d=e~f"],
  ["köln-旅-😀", "köln-旅-😀"],
];

for (const [id, text] of TRIPS) {
  await scene(`the trip ${text}`, async () => {
    await ask("trip", { id: text });
    const members = [];
    for (const over of ["socket", "stream", "poll"]) members.push(await Member.join(id, "ann", { over }));
    for (const member of members) {
      const message = await member.chat.send(`over ${member.chat.status.transport}`);
      ok(message.seq > 0, `${member.chat.status.transport}: a message is stored`);
      await member.chat.edit(message.id, "edited");
    }
    for (const member of members) {
      await member.sees("edited");
      is(member.errors, [], "no error");
    }
    const late = await Member.join(id, "bob");
    is(late.contents, ["edited", "edited", "edited"], "all in one room");
  });
}

await scene("what is no id", async () => {
  for (const tripId of [undefined, null, "", NaN, Infinity, 1.5, 2 ** 53, {}, [], true]) {
    let error;
    try { new TripChat({ url, tripId, token: "x" }); } catch (thrown) { error = thrown; }
    ok(error instanceof TypeError && /tripId/.test(error.message), `${typeof tripId} ${String(tripId)} is refused`);
  }
  const chat = new TripChat({ url, tripId: 0, token: "x" });
  is(chat.status.state, "idle", "0 is one");
});

await end();

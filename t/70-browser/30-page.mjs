import { Person, TEXT, annAndBob, end, fill, is, listsEqualDatabase, newTrip, ok, scene, usualTokens } from "./lib/stage.mjs";

await usualTokens();

function noComplaints(...people) {
  for (const { user, complaints } of people) is(complaints, [], `no error, dialog or breach of the page's policy: ${user}`);
}

await scene("two people chat", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  await ann.say("Hello, team!");
  await bob.sees("Hello, team!");
  await bob.say("Hello, Ann!");
  await ann.sees("Hello, Ann!");
  for (let round = 1; round <= 10; round++) {
    await Promise.all([ann.write(`ann's ${round}.`), bob.write(`bob's ${round}.`)]);
  }
  await Promise.all([ann.sees("bob's 10."), bob.sees("ann's 10.")]);
  await listsEqualDatabase(trip, ann, bob);
  is(await ann.said(), [TEXT.connecting, TEXT.realtime], "the status said so");
  is(await ann.transport(), "socket", "it is a socket");
  noComplaints(ann, bob);
});

await scene("what people write is text", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  const evil = "<img src=x onerror=alert(1)>";
  const texts = [evil, "<script>alert(2)</script>", "a & b < c > \"d\" 'e'", "two\nlines", "مرحبا 👩‍👩‍👧 नमस्ते"];
  for (const text of texts) await ann.page.evaluate(content => tripchat.send(content), text);
  await bob.sees("नमस्ते");
  is((await bob.list()).map(({ content }) => content), texts, "as it was written");
  await bob.message(evil).getByRole("button", { name: "Reply" }).click();
  await bob.say("a reply to it");
  await ann.sees("a reply to it");
  is(await ann.page.locator("main :is(img, script)").count(), 0, "and no element came of it, in a quote either");
  ok((await ann.page.locator("blockquote").textContent()).includes(evil), "where it is text as well");
  noComplaints(ann, bob);
});

await scene("reply and edit", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  await ann.say("Where shall we meet?");
  await bob.message("Where shall we meet?").getByRole("button", { name: /^Reply/ }).click();
  is(await bob.page.locator("#context").innerText().then(text => text.replace(/\s+/g, " ").trim()),
    "Reply to Ann Archer Where shall we meet? Cancel", "the page says what is replied to");
  await bob.say("At the stasion.");
  await ann.sees("At the stasion.");
  is(await ann.message("At the stasion.").locator("blockquote").textContent(), "Ann Archer Where shall we meet?", "the reply quotes it");
  is(await ann.message("At the stasion.").getByRole("button", { name: /^Edit/ }).count(), 0, "only who wrote it may edit");

  await ann.say("Good.");
  await bob.page.locator("#content").press("ArrowUp");
  is(await bob.page.locator("#content").inputValue(), "At the stasion.", "the arrow takes up one's last message");
  await bob.write("At the station.");
  await ann.sees("At the station.");
  await bob.sees("At the station.");
  is((await ann.list()).map(({ content, isEdited }) => [content, isEdited]),
    [["Where shall we meet?", false], ["At the station.", true], ["Good.", false]], "an edit stays in its place");
  await bob.page.reload();
  await bob.sees("Good.");
  await listsEqualDatabase(trip, ann, bob);

  await bob.message("At the station.").getByRole("button", { name: /^Edit/ }).click();
  await bob.page.locator("#content").press("Escape");
  is(await bob.page.locator("#content").inputValue(), "", "Escape gives it up");
  ok(await bob.page.locator("#context").isHidden(), "and the page says so");
  noComplaints(ann, bob);
});

await scene("typing is seen", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  const typing = text => ann.page.waitForFunction(wanted => document.getElementById("typing").textContent === wanted, text);
  await bob.say("Hello.");
  await ann.sees("Hello.");
  await bob.page.locator("#content").pressSequentially("I am");
  await typing("Bob Baker is typing…");
  ok(true, "while he types");
  await typing("");
  ok(true, "no more when he has stopped, without a word");
  await bob.page.locator("#content").pressSequentially(" here");
  await typing("Bob Baker is typing…");
  await bob.page.locator("#content").press("Enter");
  await typing("");
  ok(true, "nor when he has sent it");
  is(await bob.page.locator("#typing").textContent(), "", "he does not see himself");
  noComplaints(ann, bob);
});

await scene("older messages are loaded", async () => {
  const trip = await newTrip();
  await fill(trip, 130);
  const ann = await Person.at(trip, "ann");
  await ann.sees("message 130");
  const seqs = async () => (await ann.list()).map(({ seq }) => seq);
  const upTo130 = from => Array.from({ length: 131 - from }, (_, at) => from + at);
  is(await seqs(), upTo130(81), "the newest at first");
  const older = ann.page.getByRole("button", { name: "Load older messages" });
  for (const from of [31, 1]) {
    await older.click();
    await ann.page.waitForFunction(wanted => tripchat.messages[0].seq === wanted, from);
    is(await seqs(), upTo130(from), `then from ${from} on`);
  }
  ok(await older.isHidden(), "and there are no more");
  await listsEqualDatabase(trip, ann);
  noComplaints(ann);
});

await scene("a new room", async () => {
  const ann = await Person.at(await newTrip(), "ann");
  await ann.hasStatus(TEXT.realtime);
  ok(await ann.page.locator("#older").isHidden(), "there is nothing older");
  ok(await ann.page.getByText("This is where the conversation begins.").isVisible(), "and it says so");
  noComplaints(ann);
});

await scene("somebody else", async () => {
  const trip = await newTrip();
  const dave = await Person.at(trip, "dave");
  await dave.hasStatus(TEXT.forbidden);
  is(await dave.said(), [TEXT.connecting, TEXT.forbidden], "who is not on the trip is told, once");
  await dave.page.locator("#user").selectOption("carol");
  await dave.hasStatus(TEXT.realtime);
  await dave.say("It is me, Carol.");
  is(await dave.page.locator(".message .head").first().innerText().then(text => text.split(/\s/)[0]), "You", "another person may be chosen");
  await dave.page.reload();
  await dave.sees("It is me, Carol.");
  is(await dave.page.locator("#user").inputValue(), "carol", "and stays chosen");
  noComplaints(dave);
});

await scene("a message that is refused", async () => {
  const trip = await newTrip();
  const ann = await Person.at(trip, "ann");
  await ann.hasStatus(TEXT.realtime);
  await ann.write("x".repeat(10001));
  await ann.page.getByRole("alert").filter({ hasText: "Not sent. Message content is too long." }).waitFor();
  is((await ann.page.locator("#content").inputValue()).length, 10001, "goes back to where it was written");
  is(await ann.list(), [], "and is in no list");
  await ann.page.getByRole("button", { name: "Dismiss" }).click();
  ok(await ann.page.getByRole("alert").isHidden(), "the notice can be put away");
  noComplaints(ann);
});

await end();

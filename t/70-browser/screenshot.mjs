// The picture in docs/demo.png: the page on a desk, in mid-conversation. t/70-browser/screenshot runs
// this; with TC_SHOTS=folder it leaves others there besides, to look at: a telephone, the dark, trouble.

import { writeFile } from "node:fs/promises";

import { Person, TEXT, end, ok, newTrip, patience_ms, scene, usualTokens } from "./lib/stage.mjs";
import { Gateway } from "./lib/gateway.mjs";

const TRIP = "550e8400-e29b-41d4-a716-446655440000";
const TELEPHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

await usualTokens();

await scene("the page", async () => {
  await newTrip({ id: TRIP });
  const gateway = await Gateway.start();
  const ann = await Person.at(TRIP, "ann", { viewport: { width: 1280, height: 850 } });
  const bob = await Person.at(TRIP, "bob", { from: gateway.url, ...TELEPHONE });
  const carol = await Person.at(TRIP, "carol", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
  const people = [ann, bob, carol];
  await Promise.all(people.map(person => person.hasStatus(TEXT.realtime)));
  const says = async (person, text) => {
    await person.page.evaluate(content => tripchat.send(content), text);
    await Promise.all(people.map(other => other.sees(text)));
  };
  await says(ann, "The flight lands at 14:20. Shall we meet at the hotel or in town?");
  await says(bob, "In town! I'm there from noon, and hungry.");
  await says(bob, "There's a place by the river that Carol found last year.");
  await says(carol, "Ponto Final, across on the ferry. Best grilled sardines I ever had.");
  await says(ann, "Sold. Is it easy to reach with luggage?");
  await carol.message("Is it easy to reach").getByRole("button", { name: /^Reply/ }).click();
  await carol.write("Leave it at the station first. The lockers at Cais do Sodré are ten steps from the ferry.");
  await ann.sees("Leave it at the station");
  await says(bob, "I'll reserve for four o'clock.");
  await bob.page.evaluate(() => tripchat.edit(tripchat.messages.at(-1).id, "I'll reserve for half past four."));
  await ann.sees("half past four");
  await says(ann, "Perfect. See you both there!");
  await bob.page.locator("#content").pressSequentially("Can't wait");
  await ann.page.waitForFunction(() => document.getElementById("typing").textContent !== "");
  const picture = await ann.page.screenshot();
  ok(picture.length < 200_000, "the picture is small enough for a page to show");
  await writeFile(process.env.TC_SHOT, picture);

  const folder = process.env.TC_SHOTS;
  if (!folder) return;
  const shoot = (person, name) => person.page.screenshot({ path: `${folder}/${name}.png` });
  await shoot(bob, "telephone");
  await carol.message("Leave it at the station").getByRole("button", { name: /^Edit/ }).click();
  await shoot(carol, "dark-editing");
  await carol.page.setViewportSize({ width: 390, height: 844 });
  await shoot(carol, "dark-narrow");
  Object.assign(gateway, { sockets: "refuse", streams: "refuse", requests: "refuse" });
  gateway.cut();
  await bob.hasStatus(TEXT.offline);
  await bob.page.evaluate(() => { document.getElementById("content").value = ""; tripchat.send("On the ferry now."); });
  await bob.page.locator("#pending .message").waitFor();
  await shoot(bob, "telephone-offline");
  const dave = await Person.at(TRIP, "dave", TELEPHONE);
  await dave.hasStatus(TEXT.forbidden);
  await shoot(dave, "telephone-forbidden");
  await ann.page.locator("#content").fill("x".repeat(10001));
  await ann.page.locator("#content").press("Enter");
  await ann.page.locator("#notice").waitFor({ timeout: patience_ms });
  await ann.page.locator("#content").fill("A line\nand another,\nand a third");
  await shoot(ann, "refused");
});

await end();

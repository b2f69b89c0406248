// The live page in a real browser, in front of a real publisher.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { kPatience, launchBrowser, Program, Publisher } from "./programs.mjs";

const kDesktop = { viewport: { width: 1280, height: 860 } };
const kPhone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

let browser;
before(async () => { browser = await launchBrowser(); });
after(async () => { await browser?.close(); });

/** Opens the page of a publisher, and holds it to what no page may do. */
async function open(publisher, context = kDesktop) {
  const page = await (await browser.newContext(context)).newPage();
  page.setDefaultTimeout(kPatience);
  page.errors = [];
  page.asked = [];
  page.on("pageerror", error => page.errors.push(error.message));
  page.on("console", message => {
    const refused = message.text().startsWith("Failed to load resource"); // 401, or nobody there
    if (message.type() === "error" && !refused) page.errors.push(message.text());
  });
  page.on("request", request => page.asked.push(request.url()));
  await page.goto(publisher.url);
  return page;
}
async function close(page, publisher) {
  assert.deepEqual(page.errors, []);
  const elsewhere = page.asked.filter(url => !url.startsWith(publisher.url) && !url.startsWith("data:"));
  assert.deepEqual(elsewhere, [], "asks nobody else anything");
  await page.context().close();
}
const isLive = page => page.locator("#state[data-is=live]").waitFor();
const shows = (page, text) => page.locator("#log div", { hasText: text }).first().waitFor();
/** Waits for `is` in the page. Playwright's own way of that is a script that the page forbids. */
async function until(page, is, argument) {
  for (const deadline = Date.now() + kPatience; !await page.evaluate(is, argument); await sleep(20)) {
    assert.ok(Date.now() < deadline, `never: ${is}`);
  }
}
const lines = page => page.locator("#log div").allTextContents();

/** What a web server says in a tenth of a second. */
function accessLog() {
  const kinds = [[200, 32], [200, 32], [204, 32], [304, 36], [404, 33], [500, 31]];
  const line = () => {
    const [status, color] = kinds[Math.floor(Math.random() * kinds.length)];
    const any = most => Math.floor(Math.random() * most);
    return `10.0.${any(9)}.${any(250)} \x1b[${color}m${status}\x1b[0m GET /orders/${any(9000)}?expand=lines ` +
      `${(Math.random() / 3).toFixed(3)}s\n`;
  };
  return Array.from({ length: 20 + 15 * Math.sin(Date.now() / 2000) }, line).join("");
}

/** Runs `body` with a publisher and its page, and cleans up. */
async function withPage({ options, context, page: wanted = true } = {}, body) {
  const publisher = await Publisher.start({ options });
  try {
    const page = wanted ? await open(publisher, context) : null;
    await body(publisher, page);
    if (page) await close(page, publisher);
  } finally {
    await publisher.stop();
  }
}

describe("page", () => {
  it("shows what was published before, and what comes, as it comes", () =>
    withPage({}, async (publisher, page) => {
      publisher.write("first\n");
      await shows(page, "first");
      publisher.write("second\nthird\n");
      await shows(page, "third");
      assert.deepEqual(await lines(page), ["first", "second", "third"]);
      const late = await open(publisher);
      await shows(late, "third");
      assert.deepEqual(await lines(late), ["first", "second", "third"]);
      await close(late, publisher);
    }));

  it("follows the end of the tail until somebody scrolls up", () =>
    withPage({}, async (publisher, page) => {
      const atEnd = () => page.evaluate(() => {
        const log = document.getElementById("log");
        return log.scrollHeight - log.scrollTop - log.clientHeight < 2;
      });
      publisher.write("line\n".repeat(500) + "five hundred\n");
      await shows(page, "five hundred");
      assert.ok(await atEnd());
      await page.evaluate(() => { document.getElementById("log").scrollTop = 0; });
      publisher.write("more\n");
      await shows(page, "more");
      assert.ok(!await atEnd());
    }));

  it("keeps a bounded number of lines in the document", () =>
    withPage({}, async (publisher, page) => {
      await isLive(page);
      publisher.write(Array.from({ length: 30_000 }, (_, i) => `number ${i}\n`).join(""));
      await shows(page, "number 29999");
      assert.equal(await page.locator("#log div").count(), 1000);
    }));

  it("filters by text and by regular expression, and says of a wrong one that it is wrong", () =>
    withPage({}, async (publisher, page) => {
      publisher.write("GET /a 200\nGET /b 404\nPOST /a 500\n");
      await shows(page, "POST /a 500");
      const filter = page.locator("#filter");
      await filter.fill("get");
      await until(page, () => document.querySelectorAll("#log div").length === 2);
      assert.deepEqual(await lines(page), ["GET /a 200", "GET /b 404"]);
      await filter.fill("/ [45]\\d\\d$/");
      await until(page, () => document.querySelector("#log div").textContent === "GET /b 404");
      assert.deepEqual(await lines(page), ["GET /b 404", "POST /a 500"]);
      publisher.write("GET /c 200\nGET /c 503\n");
      await shows(page, "503");
      assert.deepEqual(await lines(page), ["GET /b 404", "POST /a 500", "GET /c 503"], "what comes is filtered");
      await filter.fill("/(/");
      assert.equal(await filter.getAttribute("aria-invalid"), "true");
      await filter.press("Escape");
      await until(page, () => document.querySelectorAll("#log div").length === 5);
    }));

  it("pauses, says how many wait, and shows them when it goes on", () =>
    withPage({}, async (publisher, page) => {
      publisher.write("before\n");
      await shows(page, "before");
      await page.keyboard.press("Space");
      assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
      publisher.write("one\ntwo\n");
      await page.locator("#count", { hasText: "2 waiting" }).waitFor();
      assert.deepEqual(await lines(page), ["before"]);
      await page.locator("#pause").click();
      await shows(page, "two");
      assert.deepEqual(await lines(page), ["before", "one", "two"]);
    }));

  it("draws the rates of bytes and records", () =>
    withPage({}, async (publisher, page) => {
      publisher.tick(() => "tick\n".repeat(1000));
      const drawn = id => until(page, id => {
        const canvas = document.getElementById(id);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const columns = new Set();
        for (let i = 0; i < data.length; i += 4) {
          // What is coloured is the plot: lines and letters are grey.
          const spread = Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
          if (data[i + 3] > 0 && spread > 60) columns.add((i / 4) % canvas.width);
        }
        return columns.size > 20;
      }, id);
      await drawn("bytes");
      await drawn("records");
      assert.match(await page.locator("#bytes-now").textContent(), /iB\/s$/);
      assert.match(await page.locator("#records-now").textContent(), /\/s$/);
    }));

  it("lists the subscribers with mode, lag and loss", () =>
    withPage({}, async (publisher, page) => {
      const subscriber = new Program("pipedup-sub", ["--no-attach", "--name", "<b>bold</b>", publisher.endpoint]);
      publisher.write("data\n");
      const row = page.locator("#rows tr", { hasText: "<b>bold</b>" });
      await row.waitFor();
      await row.locator("td.mode[data-is=live]").waitFor();
      await until(page, () => document.querySelectorAll("#rows td")[2]?.textContent === "0");
      const cells = await row.locator("td").allTextContents();
      assert.deepEqual(cells.slice(0, 4), ["<b>bold</b>", "live", "0", "0"]);
      assert.equal(await page.locator("#rows b").count(), 0);
      await subscriber.kill();
    }));

  it("runs no script of a hostile line, and lets none steer it", () =>
    withPage({}, async (publisher, page) => {
      const hostile = [
        "<script>window.hacked = 1</script>",
        "</script><script>window.hacked = 2</script>",
        "<img src=x onerror='window.hacked = 3'>",
        "<svg onload=window.hacked=4>",
        "\"><iframe srcdoc='<script>parent.hacked=5</script>'>",
        "javascript:window.hacked=6 ${window.hacked=7} {{window.hacked=8}}",
      ];
      publisher.write(hostile.join("\n") + "\n");
      publisher.write("data: injected\rid: 99999\revent: end\r\r\n"); // not an event of its own
      publisher.write("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jcleared \x1b[1;32mbold\x1b[m\x00\x07 \u202eevil\n");
      await shows(page, "cleared");
      const shown = await lines(page);
      assert.deepEqual(shown.slice(0, hostile.length), hostile, "shown as it is");
      assert.equal(shown.at(-1), "red cleared bold\u00b7\u00b7 \u00b7evil");
      assert.equal(await page.locator("#log .a1").textContent(), "red");
      assert.equal(await page.locator("#log .a2.b").first().textContent(), "bold");
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.equal(await page.locator("#log script, #log img, #log svg, #log iframe").count(), 0);
      assert.equal(await page.locator("script").count(), 1);
      assert.equal(await page.locator("#state").getAttribute("data-is"), "live");
    }));

  it("forbids scripts that are not its own, wherever they come from", () =>
    withPage({}, async (publisher, page) => {
      await isLive(page);
      const policy = (await page.request.get(publisher.url)).headers()["content-security-policy"];
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /unsafe|\*/);
      const ran = await page.evaluate(() => {
        const script = document.createElement("script");
        try { script.textContent = "window.hacked = 1"; } catch { return "refused"; }
        document.body.append(script);
        return window.hacked ? "ran" : "refused";
      });
      assert.equal(ran, "refused");
      page.errors = page.errors.filter(error => !/TrustedScript|Content Security Policy/.test(error));
    }));

  it("finds the publisher again after it was killed and started anew", async () => {
    let publisher = await Publisher.start();
    const page = await open(publisher);
    publisher.write("of the first\n");
    await shows(page, "of the first");
    const { port } = publisher;
    await publisher.stop();
    await page.locator("#state[data-is=down]").waitFor();
    publisher = await Publisher.start({ port });
    try {
      publisher.write("of the second\n");
      await shows(page, "of the second");
      await shows(page, "The stream began anew");
      await isLive(page);
      publisher.write("and more\n");
      await shows(page, "and more");
      const shown = await lines(page);
      assert.equal(shown.filter(line => line === "of the second").length, 1, "nothing twice");
      await close(page, publisher);
    } finally {
      await publisher.stop();
    }
  });

  it("goes on where it was when only the connection was lost", () =>
    withPage({}, async (publisher, page) => {
      publisher.write("one\n");
      await shows(page, "one");
      await page.context().setOffline(true);
      await page.evaluate(() => connection.abort());
      publisher.write("two\nthree\n");
      await page.context().setOffline(false);
      await shows(page, "three");
      assert.deepEqual(await lines(page), ["one", "two", "three"]);
    }));

  it("says how the stream has ended", () =>
    withPage({}, async (publisher, page) => {
      publisher.write("last words\n");
      await shows(page, "last words");
      await publisher.end();
      await shows(page, "End of the stream");
    }));

  it("asks for the token, once, and says of a wrong one that it is wrong", async () => {
    const directory = await mkdtemp(join(tmpdir(), "pipedup-token-"));
    const file = join(directory, "token");
    await writeFile(file, "correct-horse\n", { mode: 0o600 });
    await withPage({ options: ["--http-token", file] }, async (publisher, page) => {
      publisher.write("secret\n");
      await page.locator("#token").fill("wrong-horse");
      await page.locator("#token").press("Enter");
      await page.locator("#ask-text.wrong").waitFor();
      assert.deepEqual(await lines(page), []);
      await page.locator("#token").fill("correct-horse");
      await page.locator("#token").press("Enter");
      await shows(page, "secret");
      await page.reload();
      await shows(page, "secret");
      assert.ok(await page.locator("#ask").isHidden());
      assert.ok(page.asked.every(url => !url.includes("horse")), "never in an address");
    });
    await rm(directory, { recursive: true });
  });

  it("lets choose between the streams of a relay", async () => {
    const a = await Publisher.start({ options: ["-s", "alpha"] });
    const b = await Publisher.start({ options: ["-s", "beta"] });
    const relays = await Promise.all([a, b].map(async each => {
      const relay = new Program("pipedup-relay",
        ["--from", each.endpoint, "--bind", "tcp://127.0.0.1:0"], { XDG_RUNTIME_DIR: each.directory });
      each.write(`from ${each === a ? "alpha" : "beta"}\n`);
      return { relay, endpoint: (await relay.event("listening")).endpoint };
    }));
    // Both streams through one relay: it reads from a publisher and from another relay's stream.
    const both = new Program("pipedup-relay",
      [...relays.flatMap(each => ["--from", each.endpoint]), "--bind", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"],
      { XDG_RUNTIME_DIR: a.directory });
    try {
      const { url } = await both.event("http");
      const page = await open({ url });
      await page.locator("#pick").waitFor();
      await page.locator("#pick").selectOption("beta");
      await shows(page, "from beta");
      await page.locator("#pick").selectOption("alpha");
      await shows(page, "from alpha");
      assert.deepEqual(await lines(page), ["from alpha"]);
      await close(page, { url });
    } finally {
      await Promise.all([both, ...relays.map(each => each.relay)].map(each => each.kill()));
      await Promise.all([a.stop(), b.stop()]);
    }
  });

  for (const [name, context] of [["desktop", kDesktop], ["phone", kPhone]]) {
    it(`fits on a ${name}, light and dark`, () =>
      withPage({ page: false }, async publisher => {
        const subscribers = ["billing", "search-indexer", "archive"].map(subscriber =>
          new Program("pipedup-sub", ["--no-attach", "--name", subscriber, publisher.endpoint]));
        publisher.tick(accessLog);
        for (const colorScheme of ["light", "dark"]) {
          const page = await open(publisher, { ...context, colorScheme });
          await page.locator("#rows tr").nth(2).waitFor();
          await until(page, () => points.bytes.length > 8);
          const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
          assert.ok(content <= window, `${content} px in ${window}`);
          const table = await page.evaluate(() => {
            const scroll = document.querySelector(".scroll");
            return [scroll.scrollWidth, scroll.clientWidth];
          });
          assert.ok(table[0] <= table[1], "lag and loss are seen without scrolling");
          if (process.env.PIPEDUP_SHOTS) {
            await page.screenshot({ path: join(process.env.PIPEDUP_SHOTS, `${name}-${colorScheme}.png`), fullPage: true });
          }
          await close(page, publisher);
        }
        await Promise.all(subscribers.map(each => each.kill()));
      }));
  }
});

describe("metrics", () => {
  it("are what Prometheus expects", () =>
    withPage({ page: false }, async publisher => {
      publisher.write("a\nb\n");
      const response = await fetch(publisher.url + "metrics");
      const text = await response.text();
      assert.match(response.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
      const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
      assert.equal(checked.error, undefined);
      assert.equal(checked.stdout + checked.stderr, "");
      assert.equal(checked.status, 0);
      assert.match(text, /^pipedup_published_records_total\{stream="default"\} 2$/m);
    }));
});

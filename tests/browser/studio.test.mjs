// The studio in Chromium, on a running service: what a visitor sees, and what goes over the wire.
//
// `cargo xtask test browser` starts the service and sets the variables. Without one of them the test
// fails.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';

const URL_OF_STUDIO = needed('MEMES_URL');
const SCREENSHOTS = needed('MEMES_SCREENSHOTS');
const { chromium } = createRequire(path.join(needed('MEMES_MODULES'), 'from-here.js'))('playwright-core');

// Needs no browser, and is run along.
await import('./captions.test.mjs');

// Bounds, not expectations: a debug build on a busy machine draws slowly.
const STEP_MS = 30_000;
const POOL_MS = 90_000;
const GENERATION_MS = 150_000;
const TEST_MS = 300_000;

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

let browser;
let open = [];

before(async () => {
  browser = await chromium.launch({
    executablePath: needed('MEMES_CHROMIUM'),
    // Chromium's sandbox does not start for root, as whom containers run.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
});

after(async () => { await browser?.close(); });

// Nothing may have gone wrong unseen, whichever test it was.
afterEach(async () => {
  const visits = open;
  open = [];
  const faults = visits.flatMap((visit) => visit.faults);
  for (const visit of visits) await visit.context.close();
  assert.deepEqual(faults, []);
});

describe('the studio', { timeout: TEST_MS * 10 }, () => {
  test('shows a normal meme and an AI meme at once', { timeout: TEST_MS }, async () => {
    const { page, refusals, origins } = await visit();
    const without = page.locator('#meme-without');
    const withAi = page.locator('#meme-with');

    await without.locator('.badge[data-tier="normal"]').waitFor();
    await painted(without.locator('img'));
    assert.match(await without.locator('[data-reason="not_entitled"]').innerText(), /no Memes AI/);
    assert.notEqual(await without.locator('img').getAttribute('alt'), '');

    // The pool of a service that has just been started fills within seconds.
    await withAi.locator('.badge[data-tier="ai"]').waitFor({ timeout: POOL_MS });
    await painted(withAi.locator('img'));
    assert.equal(await withAi.locator('.reason').count(), 0);

    assert.equal(await page.locator('#account-plan').innerText(), 'Pro');
    assert.equal(await page.locator('#account-ai').innerText(), 'Yes');
    assert.ok(await creditsLeft(page) > 0);
    assert.ok(await page.locator('#meme-topic option').count() > 1, 'there are topics to choose from');
    assert.match(await page.locator('#meme-exchange .command').innerText(), /^curl '.*\/v1\/memes'/);

    await page.locator('#make-figure img').waitFor();
    await painted(page.locator('#make-figure img'));
    assert.deepEqual(refusals, []);
    assert.deepEqual(strangers(origins, await demo(page)), [], 'nothing is asked of other origins');
  });

  test('serves each client what it subscribed to', { timeout: TEST_MS }, async () => {
    const { page, refusals } = await visit();

    // What the page asks for by itself is told apart from what is asked for here.
    await page.locator('#meme-without .badge').waitFor();

    await choose(page, 'Free');
    assert.equal(await page.locator('#account-plan').innerText(), 'Free');
    assert.equal(await page.locator('#account-ai').innerText(), 'No');
    const { meme: normal, left } = await getMeme(page);
    assert.equal(normal.tier, 'normal');
    assert.deepEqual(normal.fallback, { reason: 'not_entitled' });
    const without = page.locator('#meme-without');
    await without.locator('.badge[data-tier="normal"]').waitFor();
    await painted(without.locator(`img[src="${normal.url}"]`));
    assert.equal(await creditsLeft(page), left);

    await choose(page, 'Premium');
    assert.equal(await page.locator('#account-ai').innerText(), 'Yes');
    const deadline = Date.now() + POOL_MS;
    let { meme } = await getMeme(page);
    while (meme.tier !== 'ai') {
      assert.equal(meme.fallback.reason, 'backlog', 'only an empty pool keeps a subscriber from an AI meme');
      assert.ok(Date.now() < deadline, 'the pool has an AI meme in time');
      await page.waitForTimeout(1_000);
      ({ meme } = await getMeme(page));
    }
    const withAi = page.locator('#meme-with');
    await withAi.locator('.badge[data-tier="ai"]').waitFor();
    await painted(withAi.locator(`img[src="${meme.url}"]`));
    assert.ok(meme.model && meme.credits > 0);
    assert.deepEqual(refusals, []);
  });

  test('makes a meme of own words', { timeout: TEST_MS }, async () => {
    const { page, refusals } = await visit();
    const templates = page.locator('#make-templates .template');
    await templates.first().waitFor();
    const firstPage = await templates.allInnerTexts();

    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('Page 2', { exact: true }).waitFor();
    const secondPage = await templates.allInnerTexts();
    assert.deepEqual(secondPage.filter((name) => firstPage.includes(name)), [], 'pages do not repeat templates');
    await page.getByRole('button', { name: 'Previous' }).click();
    await page.getByText('Page 1', { exact: true }).waitFor();

    // The search finds a template by its name, and what matches nothing is said to.
    const wanted = secondPage[0].trim();
    await page.getByLabel('Search scenes').fill('zzzz no such scene');
    await page.getByText('No scene has these words.').waitFor();
    await page.getByLabel('Search scenes').fill(wanted);
    await page.getByRole('radio', { name: wanted, exact: true }).check();
    await page.getByRole('heading', { name: wanted, exact: true }).waitFor();
    await painted(page.locator('#make-templates .template img').first());

    // Blank captions are refused, and the field at fault is found.
    await page.locator('#make-create').click();
    await page.locator('#make-result .problem').waitFor();
    assert.match(await page.locator('#make-result .problem').innerText(), /422/);
    assert.equal(await page.locator('#make-captions input[aria-invalid]').count(), 1);
    assert.deepEqual(refusals.splice(0), ['422 POST /v1/memes']);

    const words = 'It’s 50% off, isn\'t it? a_b - "yes"';
    await page.locator('#make-captions input').first().fill(words);
    const preview = page.locator('#make-figure img[src*="isn\'t_it~q"]');
    await preview.waitFor();
    await painted(preview);
    const address = new URL(await preview.getAttribute('src'), URL_OF_STUDIO).href;
    await page.locator('#make-create').click();
    const link = page.locator('#make-result').getByRole('link', { name: 'Open the picture' });
    await link.waitFor();

    // The page and the service write captions alike, so that the preview is the picture.
    const kept = new URL(await link.getAttribute('href')).href;
    assert.equal(trimmed(kept), trimmed(address));
    const picture = await page.request.get(kept);
    assert.equal(picture.status(), 200);
    assert.equal(picture.headers()['content-type'], 'image/jpeg');
    const meme = await reply(page, '#make-exchange');
    assert.equal(meme.tier, 'normal');
    assert.equal(meme.captions[0], words);
    assert.deepEqual(refusals, []);
  });

  test('shows a generation as it happens', { timeout: TEST_MS }, async () => {
    const { page, refusals } = await visit();
    await page.locator('#account-ai', { hasText: 'Yes' }).waitFor();
    // A reply to what the page asks for by itself tells of credits too.
    await page.locator('#meme-with .badge[data-tier="ai"]').waitFor({ timeout: POOL_MS });

    await page.locator('#generate-prompt').fill('a robot that waters the office plants');
    await page.locator('#generate-size').selectOption('1024x768');
    const response = answered(page, 'POST', '/v1/generations');
    await page.locator('#generate-start').click();
    const left = creditsOf(await response);
    await page.locator('.progress[data-state]').waitFor();
    const accepted = await reply(page, '#generate-exchange');
    assert.match(await page.locator('#generate-exchange .exchange-status').innerText(), /^202 /);
    assert.ok(accepted.credits.held > 0);
    assert.equal(await page.locator('#generate-pictures figure').count(), 1, 'a place for the picture');

    await page.locator('.progress[data-state="succeeded"]').waitFor({ timeout: GENERATION_MS });
    const picture = page.locator('#generate-pictures img');
    await painted(picture);
    assert.deepEqual(
      await picture.evaluate((image) => [image.naturalWidth, image.naturalHeight]),
      [1024, 768],
    );
    await page.locator('#generate-pictures .badge[data-tier="ai"]').waitFor();
    const finished = await reply(page, '#generate-read');
    assert.deepEqual(finished.credits, { held: 0, spent: accepted.credits.held, returned: 0 });
    // What was set aside was gone from the balance at once, and all of it was paid.
    assert.equal(await creditsLeft(page), left);
    await page.locator('#generate-cancel').waitFor({ state: 'hidden' });
    assert.deepEqual(refusals, []);
  });

  test('takes a generation back', { timeout: TEST_MS }, async () => {
    const { page, refusals } = await visit();
    await page.locator('#account-ai', { hasText: 'Yes' }).waitFor();
    // The page hears late that it is done, so that there is time to press the button.
    await page.route('**/v1/generations/gen_*', async (route) => {
      if (route.request().method() === 'GET') await new Promise((resolve) => { setTimeout(resolve, 2_000); });
      await route.continue();
    });
    await page.getByRole('radio', { name: '4', exact: true }).check();
    await page.locator('#generate-start').click();
    await page.locator('#generate-cancel').click();
    const end = page.locator('.progress:is([data-state="canceled"], [data-state="partial"], [data-state="succeeded"])');
    await end.waitFor({ timeout: GENERATION_MS });
    const accepted = await reply(page, '#generate-exchange');
    const view = await reply(page, '#generate-read');
    // A quick worker may be done first; then the service says so, and the work is paid.
    const late = view.state !== 'canceled';
    assert.deepEqual(refusals, late ? [`409 DELETE /v1/generations/${view.id}`] : []);
    assert.equal(view.credits.held, 0);
    assert.equal(view.credits.spent + view.credits.returned, accepted.credits.held);
    assert.equal(late || view.credits.spent === 0, true, 'what was called off is not paid');
    await page.locator('#generate-cancel').waitFor({ state: 'hidden' });
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });

  test('says what is wrong and what to do', { timeout: TEST_MS }, async () => {
    const { page, refusals } = await visit();
    await choose(page, 'Empty');
    assert.equal(await creditsLeft(page), 0);

    await page.locator('#meme-get').click();
    const broke = page.locator('#meme-problem .problem');
    await broke.waitFor();
    assert.match(await broke.innerText(), /402/);
    assert.equal(await broke.getAttribute('role'), 'alert');
    assert.match(await page.locator('#meme-exchange .exchange-status').innerText(), /^402 /);
    const about = await broke.getByRole('link', { name: 'About this problem' }).getAttribute('href');
    assert.equal(about, '/problems/credits-exhausted');
    assert.equal((await page.request.get(new URL(about, URL_OF_STUDIO).href)).status(), 200);

    await page.locator('#make-example').click();
    await page.locator('#make-create').click();
    await page.locator('#make-result .problem', { hasText: '402' }).waitFor();

    await page.locator('#generate-start').click();
    await page.locator('#generate-result .problem', { hasText: '403' }).waitFor();
    assert.deepEqual(refusals, ['402 GET /v1/memes', '402 POST /v1/memes', '403 POST /v1/generations']);

    // With another client the problems are gone.
    await choose(page, 'Premium');
    assert.equal(await page.locator('.problem').count(), 0);
  });

  test('can be used with the keyboard alone', { timeout: TEST_MS }, async () => {
    const { page, refusals } = await visit();
    await page.locator('#make-captions input').first().waitFor();

    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to the memes');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');

    await page.reload();
    await page.locator('#make-captions input').first().waitFor();
    await tabTo(page, 'input[name="client"]');
    await page.keyboard.press('ArrowLeft');
    await page.locator('#account-ai', { hasText: 'No' }).waitFor();
    await page.keyboard.press('ArrowRight');
    await page.locator('#account-ai', { hasText: 'Yes' }).waitFor();

    await tabTo(page, '#meme-get');
    const asked = answered(page, 'GET', '/v1/memes');
    await page.keyboard.press('Enter');
    assert.equal((await asked).status(), 200);

    await tabTo(page, 'input[name="template"]');
    const name = await page.locator('#make-name').innerText();
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((before) => document.getElementById('make-name').textContent !== before, name);
    await tabTo(page, '#make-captions input');
    await page.keyboard.type('Typed');
    await page.locator('#make-figure img[src*="/Typed"]').waitFor();
    const created = answered(page, 'POST', '/v1/memes');
    await page.keyboard.press('Enter');
    assert.equal((await created).status(), 201);

    await tabTo(page, '#generate-prompt');
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('a penguin at a stand-up meeting');
    await tabTo(page, 'input[name="count"]');
    await page.keyboard.press('ArrowRight');
    await tabTo(page, '#generate-start');
    await page.keyboard.press('Enter');
    await page.locator('.progress[data-state="succeeded"]').waitFor({ timeout: GENERATION_MS });
    assert.equal(await page.locator('#generate-pictures figure').count(), 2);
    for (const picture of await page.locator('#generate-pictures img').all()) await painted(picture);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'generate-start', 'the keyboard keeps its place');
    assert.deepEqual(refusals, []);
  });

  for (const [name, viewport, colorScheme] of [
    ['desktop-light', DESKTOP, 'light'],
    ['desktop-dark', DESKTOP, 'dark'],
    ['phone-light', PHONE, 'light'],
    ['phone-dark', PHONE, 'dark'],
  ]) {
    test(`fits ${name}`, { timeout: TEST_MS }, async () => {
      const { page, refusals } = await visit({ viewport, colorScheme });
      await page.locator('#meme-with .badge[data-tier="ai"]').waitFor({ timeout: POOL_MS });
      await painted(page.locator('#meme-with img'));
      await painted(page.locator('#meme-without img'));
      await page.screenshot({ path: path.join(SCREENSHOTS, `studio-${name}.png`) });

      await page.locator('#generate-start').click();
      await page.locator('.progress[data-state="succeeded"]').waitFor({ timeout: GENERATION_MS });
      await painted(page.locator('#generate-pictures img'));
      for (const thumbnail of await page.locator('#make-templates img').all()) {
        // They are loaded when they come into view.
        await thumbnail.scrollIntoViewIfNeeded();
        await painted(thumbnail);
      }
      const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(tooWide <= 0, `the page is ${tooWide} px too wide`);
      await page.evaluate(() => window.scrollTo(0, 0));
      await page.screenshot({ path: path.join(SCREENSHOTS, `studio-${name}-whole.png`), fullPage: true });
      assert.deepEqual(refusals, []);
    });
  }
});

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo xtask test browser\``);
  return value;
}

/** Opens the studio as somebody who comes for the first time. */
async function visit(options = {}) {
  const context = await browser.newContext({
    viewport: DESKTOP, colorScheme: 'light', reducedMotion: 'reduce', ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  const faults = [];
  const refusals = [];
  const origins = new Set();
  open.push({ context, faults });
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('console', (message) => {
    // Each refused request is also in `refusals`, which the tests compare.
    const ofRefusal = message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !ofRefusal) faults.push(`console: ${message.text()}`);
  });
  page.on('requestfailed', (request) => {
    // Polls are let go when another client is chosen or the page is left.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') faults.push(`request: ${errorText} ${request.url()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:') origins.add(url.origin);
  });
  page.on('response', (response) => {
    if (response.status() < 400) return;
    refusals.push(`${response.status()} ${response.request().method()} ${new URL(response.url()).pathname}`);
  });
  await page.goto(URL_OF_STUDIO);
  await page.locator('#clients input').first().waitFor({ state: 'attached' });
  return { page, refusals, origins };
}

const demo = async (page) => (await page.request.get(new URL('/demo.json', URL_OF_STUDIO).href)).json();

/** Origins that are neither the service's nor those of its store of pictures. */
function strangers(origins, { base_url: base, aws }) {
  const known = [URL_OF_STUDIO, base, aws.s3].map((url) => new URL(url).origin);
  return [...origins].filter((origin) => !known.includes(origin));
}

/** Waits until an image is there to be seen. */
async function painted(image) {
  await image.waitFor();
  await image.evaluate((element) => element.decode());
  assert.ok(await image.evaluate((element) => element.naturalWidth > 0));
}

async function choose(page, name) {
  const account = answered(page, 'GET', '/v1/account');
  await page.getByRole('radio', { name, exact: true }).check();
  assert.equal((await account).status(), 200);
  await page.waitForFunction(() => document.getElementById('account-credits').textContent !== '…');
}

/** The next reply to this request, whatever it says. */
function answered(page, method, pathname) {
  return page.waitForResponse(
    (response) => response.request().method() === method && new URL(response.url()).pathname === pathname,
    { timeout: STEP_MS },
  );
}

/** The credits that a reply says are left. */
function creditsOf(response) {
  const [, left] = /"credits";r=(\d+)/.exec(response.headers().ratelimit);
  return Number(left);
}

/** Asks for a meme with the button. Returns the reply that the page shows, and the credits that it tells. */
async function getMeme(page) {
  const asked = answered(page, 'GET', '/v1/memes');
  await page.locator('#meme-get').click();
  const response = await asked;
  const meme = await response.json();
  await page.locator('#meme-result', { hasText: meme.id }).waitFor();
  await page.locator('#meme-get:not([data-busy])').waitFor();
  return { meme, left: creditsOf(response) };
}

/** The reply of a call that the page shows. */
async function reply(page, slot) {
  return JSON.parse(await page.locator(`${slot} pre.reply`).textContent());
}

async function creditsLeft(page) {
  await page.waitForFunction(() => document.getElementById('account-credits').textContent !== '…');
  return Number((await page.locator('#account-credits').innerText()).replaceAll(',', ''));
}

/** An address of a picture without blank captions at its end. */
const trimmed = (address) => address.replace(/(\/_)+(?=\.\w+$)/, '');

const focused = (page) => page.evaluate(() => document.activeElement.textContent.trim());

/** Goes on with the Tab key until an element that `selector` names has the focus, and can be seen to. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate((wanted) => {
      const active = document.activeElement;
      if (!active.matches(wanted)) return null;
      // A radio button lies unseen over its label, which shows the focus for it.
      const candidates = [active, ...(active.labels ?? [])].flatMap((one) => [one, ...one.children]);
      return candidates.some((one) => getComputedStyle(one).outlineStyle !== 'none');
    }, selector);
    if (found === null) continue;
    assert.ok(found, `the focus on ${selector} can be seen`);
    return;
  }
  assert.fail(`the Tab key does not lead to ${selector}`);
}

// The studio: who calls, what the account says, and the three panels.

import { Client, demo } from './api.js';
import { generatePanel } from './generate.js';
import { makePanel } from './make.js';
import { memePanel } from './meme.js';
import { announce, at, make, showProblem } from './view.js';

// The one client that can do everything that the page shows.
const FIRST_CLIENT = 'premium';

const NAMES = { free: 'Free', pro: 'Pro', premium: 'Premium', empty: 'Empty' };

/** What the panels know of the page: the client that calls, and what its account said. */
class Studio {
  #config;
  #panels = [];
  #leave = new AbortController();

  /** The client that was chosen. */
  client = null;
  /** Its account, once it was read. */
  account = null;
  /** A caller for what needs no credentials; it stays when another client is chosen. */
  anybody;

  constructor(config) {
    this.#config = config;
    this.anybody = new Client(null, config);
  }

  /** A demo client that is called beside the chosen one; `null` where the stack has none of that name. */
  named(name, signal) {
    if (!this.#config.clients[name]) return null;
    const client = new Client(name, this.#config, signal);
    client.onCredits = (left) => {
      if (name === this.client?.name) showCredits(left);
    };
    return client;
  }

  start() {
    const names = Object.keys(this.#config.clients);
    // Those that are known, in the order of what they may do; then any others.
    names.sort((a, b) => rank(a) - rank(b));
    const chosen = names.includes(FIRST_CLIENT) ? FIRST_CLIENT : names[0];
    at('clients').append(...names.map((name) => {
      const input = make('input', { type: 'radio', name: 'client', value: name, checked: name === chosen });
      input.addEventListener('change', () => this.choose(name));
      return make('label', {}, input, make('span', {}, NAMES[name] ?? name));
    }));
    this.#panels = [memePanel(this), makePanel(this), generatePanel(this)];
    this.choose(chosen);
  }

  /** Calls as `name` from now on. What the client before still waits for is let go. */
  choose(name) {
    this.#leave.abort();
    this.#leave = new AbortController();
    this.account = null;
    this.client = this.named(name, this.#leave.signal);
    for (const id of ['account-plan', 'account-ai', 'account-credits']) at(id).textContent = '…';
    const account = this.readAccount();
    for (const panel of this.#panels) panel.choose(this.client, account);
  }

  /** Reads the account of the chosen client and shows it; `null` if that failed, which is shown. */
  async readAccount() {
    const { client } = this;
    try {
      const { json: account } = await client.call('GET', '/v1/account');
      if (client !== this.client) return null;
      this.account = account;
      at('account-plan').textContent = account.plan[0].toUpperCase() + account.plan.slice(1);
      at('account-ai').textContent = account.ai ? 'Yes' : 'No';
      // Leased credits lie with a process that serves the client, and are spent from there.
      showCredits(account.balance.available + account.balance.leased);
      at('startup').hidden = true;
      announce(`${NAMES[client.name] ?? client.name}: plan ${account.plan}, ${account.ai ? 'with' : 'without'} Memes AI`);
      return account;
    } catch (error) {
      if (error.name !== 'AbortError') {
        at('startup').hidden = false;
        showProblem(at('startup'), error);
      }
      return null;
    }
  }
}

function rank(name) {
  const place = Object.keys(NAMES).indexOf(name);
  return place < 0 ? Infinity : place;
}

function showCredits(left) {
  at('account-credits').textContent = left.toLocaleString('en');
}

try {
  new Studio(await demo()).start();
} catch (error) {
  // Without a client nothing on the page can do anything.
  for (const part of document.querySelectorAll('.panel, .account')) part.hidden = true;
  at('startup').hidden = false;
  showProblem(at('startup'), error);
}

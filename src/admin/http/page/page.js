"use strict";
// Draws what /commands/… and /page/… tell. Texts that clients choose become text nodes, never markup.

const COMMANDS = document.documentElement.dataset.commands;
const EVERY_MS = 2000;
/// Moments that a chart has: ten minutes.
const KEPT = 300;
const $ = (id) => document.getElementById(id);

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function short(number) {
  if (number === null || number === undefined || Number.isNaN(number)) return "–";
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(number) >= size) return `${(number / size).toPrecision(3)} ${unit}`;
  }
  return Number.isInteger(number) ? String(number) : number.toPrecision(3);
}

const bytes = (number) => `${short(number)}${Math.abs(number) < 1e3 ? " " : ""}B`;

async function ask(path, headers = {}) {
  const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!(answer.headers.get("content-type") || "").includes("json")) {
    throw new Error(`${path}: ${answer.status}`);
  }
  return answer.json();
}


/// Samples by name, labels included.
function samples(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const at = line.lastIndexOf(" ");
    if (at > 0 && line[0] !== "#") found.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return found;
}

/// Of what has come between two moments: the value below which `share` of it lies, in milliseconds.
function quantile(before, now, name, share) {
  const prefix = `ringkeeper_${name}_histogram_ms_bucket{le="`;
  const buckets = [];
  for (const [key, value] of now) {
    if (key.startsWith(prefix)) {
      const bound = key.slice(prefix.length, -2);
      buckets.push([bound === "+Inf" ? Infinity : Number(bound), value - (before.get(key) || 0)]);
    }
  }
  buckets.sort((a, b) => a[0] - b[0]);
  const all = buckets.length ? buckets[buckets.length - 1][1] : 0;
  if (all <= 0) return null;
  let [low, below] = [0, 0];
  for (const [bound, upto] of buckets) {
    if (upto >= share * all) {
      // Whole milliseconds: what is in the bucket of n took n up to n + 1.
      const high = bound === Infinity ? low : bound + 1;
      return low + (high - low) * ((share * all - below) / Math.max(upto - below, 1));
    }
    [low, below] = [bound + 1, upto];
  }
  return null;
}

const grown = (before, now, key) => Math.max(0, (now.get(key) || 0) - (before.get(key) || 0));

/// Average of what has come between two moments.
function mean(before, now, name) {
  const count = grown(before, now, `${name}_count`);
  return count > 0 ? grown(before, now, `${name}_sum`) / count : null;
}

const CHARTS = [
  ["Requests per second", "", [
    ["reads", (b, n, s) => grown(b, n, "readlatency_count") / s],
    ["writes", (b, n, s) => grown(b, n, "updatelatency_count") / s],
  ]],
  ["Reads: time to the answer", " ms", [0.5, 0.99, 0.999].map((share) => [
    `p${share * 100}`, (b, n) => quantile(b, n, "readlatency", share),
  ])],
  ["Writes: time to the answer", " ms", [0.5, 0.99, 0.999].map((share) => [
    `p${share * 100}`, (b, n) => quantile(b, n, "updatelatency", share),
  ])],
  ["Writes by stage, on average", " ms", [
    ["flush of the log", (b, n) => mean(b, n, "fsynctime")],
    ["quorum", (b, n) => mean(b, n, "quorum_ack_latency")],
    ["to application", (b, n) => mean(b, n, "propagation_latency")],
    ["to the answer", (b, n) => mean(b, n, "updatelatency")],
  ]],
  ["Transactions of a flush", "", [
    ["on average", (b, n) => mean(b, n, "sync_processor_batch_size")],
  ]],
  ["Bytes per second", "", [
    ["received", (b, n, s) => grown(b, n, "bytes_received_count") / s],
    ["answers", (b, n, s) => grown(b, n, "response_bytes") / s],
    ["events", (b, n, s) => grown(b, n, "watch_bytes") / s],
  ]],
].map(([title, unit, lines]) => ({ title, unit, lines, values: lines.map(() => []) }));

function draw(chart) {
  const { title, unit, lines, values, figure } = chart;
  const most = Math.max(1e-9, ...values.flat().filter((value) => value !== null));
  const caption = make("figcaption");
  caption.append(make("b", title));
  lines.forEach(([name], at) => {
    const last = values[at].at(-1);
    caption.append(make("span", `${name} ${short(last)}${last === null ? "" : unit}`, { class: `s${at}` }));
  });
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${KEPT} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}, the last ten minutes, at most ${short(most)}${unit}`);
  const add = (name, attributes) => {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    svg.append(element);
  };
  add("line", { x1: 0, x2: KEPT, y1: 98, y2: 98 });
  values.forEach((line, which) => {
    let run = [];
    const flush = () => {
      if (run.length) add("polyline", { class: `s${which}`, points: run.join(" ") });
      run = [];
    };
    line.forEach((value, at) => {
      if (value === null) return flush();
      const x = KEPT - line.length + at;
      run.push(`${x},${98 - 94 * (value / most)}`, `${x + 1},${98 - 94 * (value / most)}`);
    });
    flush();
  });
  figure.replaceChildren(caption, svg, make("small", `at most ${short(most)}${unit} in ten minutes`));
}

let last = null;

async function figures() {
  const answer = await fetch("/page/metrics", { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`metrics: ${answer.status}`);
  const [now, at] = [samples(await answer.text()), performance.now()];
  const seconds = last ? (at - last.at) / 1000 : 0;
  // After a pause, or a restart, a difference would be no rate.
  const follows = last && seconds < 4 * EVERY_MS / 1000
    && (now.get("packets_received") || 0) >= (last.now.get("packets_received") || 0);
  for (const chart of CHARTS) {
    chart.lines.forEach(([, value], line) => {
      const kept = chart.values[line];
      kept.push(follows ? value(last.now, now, seconds) : null);
      if (kept.length > KEPT) kept.shift();
    });
    draw(chart);
  }
  last = { now, at, zxid: answer.headers.get("last_zxid") };
  tiles(now);
}

function facts(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value]) => {
    const pair = make("div");
    pair.append(make("dt", name), make("dd", value));
    return pair;
  }));
}

function tiles(now) {
  const get = (key) => short(now.get(key));
  facts($("tiles"), [
    ["connections", get("num_alive_connections")],
    ["sessions", short((now.get("global_sessions") || 0) + (now.get("local_sessions") || 0))],
    ["watches", get("watch_count")],
    ["znodes", get("znode_count")],
    ["ephemerals", get("ephemerals_count")],
    ["paths and data", bytes(now.get("approximate_data_size"))],
    ["proposals under way", get("outstanding_requests")],
    ["memory", bytes(now.get("process_resident_memory_bytes"))],
    ["open files", `${get("open_file_descriptor_count")} of ${get("max_file_descriptor_count")}`],
    ["elections", get("looking_count")],
  ]);
}


/// Columns are [title, value of a row, is it a number].
function table(element, columns, rows) {
  const head = make("tr");
  for (const [title, , numeric] of columns) head.append(make("th", title, numeric ? { class: "n" } : {}));
  element.replaceChildren(head, ...rows.map((row) => {
    const line = make("tr");
    for (const [, value, numeric] of columns) {
      line.append(make("td", String(value(row) ?? "–"), numeric ? { class: "n" } : {}));
    }
    return line;
  }));
}

async function overview() {
  const [told, zab] = await Promise.all([ask(`${COMMANDS}/monitor`), ask(`${COMMANDS}/zabstate`)]);
  const up = Math.floor((told.uptime || 0) / 1000);
  facts($("facts"), [
    ["role", told.server_state || zab.zabstate || "looking"],
    ["epoch", last?.zxid ? Number(BigInt(last.zxid) >> 32n) : "–"],
    ["zxid", last?.zxid ?? "–"],
    ["server", zab.myid ?? "alone"],
    ["up", `${Math.floor(up / 86400)} d ${new Date(up * 1000).toISOString().slice(11, 19)}`],
    ["version", (told.version || "").split(",")[0]],
  ]);
}

async function members() {
  const [voters, leader, told] = await Promise.all(
    ["voting_view", "leader", "monitor"].map((name) => ask(`${COMMANDS}/${name}`)));
  const rows = Object.entries(voters.current_config || {});
  table($("voters"), [
    ["server", ([id]) => id],
    ["", ([id]) => (Number(id) === leader.leader_id ? "leads" : "")],
    ["other servers", ([, of]) => of.server_addresses.join(" ")],
    ["election", ([, of]) => of.election_addresses.join(" ")],
    ["clients", ([, of]) => of.client_address],
  ], rows);
  if (!rows.length) $("voters").replaceChildren(make("caption", "This server is on its own."));
  const synced = told.synced_followers;
  $("lag").textContent = synced === undefined
    ? (rows.length ? "Only the leader knows who is in sync: ask its page." : "")
    : `In sync with this leader: ${synced} followers of ${told.learners ?? "–"} learners, `
      + `${told.synced_observers ?? 0} observers; waiting to be: ${told.pending_syncs ?? 0}.`;
}

const TOPS = [
  ["operations", "Operations"], ["clients", "Clients"], ["principals", "Principals"],
  ["subtrees", "Subtrees"], ["paths", "Paths"],
];

/// The names of what is counted differ, its numbers are per second.
function columns(rows) {
  const keys = Object.keys(rows[0] || {});
  return keys.map((key) => [
    key.replaceAll("_", " "),
    (row) => (typeof row[key] === "number" ? short(row[key]) : row[key]),
    typeof (rows[0] || {})[key] === "number",
  ]);
}

async function tops() {
  const told = await ask(`${COMMANDS}/top`);
  $("measured").textContent = `${short(told.requests_per_second)} requests per second, measured over `
    + `${told.measured_ms} ms, one of ${told.sampled_one_in} looked at.`;
  const cards = TOPS.map(([key, title]) => [title, (told[key] || {}).top || []]);
  for (const [key, title] of [
    ["sessions_by_client", "Sessions by client"], ["ephemerals_by_session", "Ephemerals by session"],
    ["watches_by_session", "Watches by session"], ["watches_by_path", "Watches by path"],
  ]) cards.push([title, told[key] || []]);
  $("tops").replaceChildren(...cards.map(([title, rows]) => {
    const [card, lines] = [make("div", undefined, { class: "card" }), make("table")];
    table(lines, columns(rows), rows);
    const wide = make("div", undefined, { class: "wide" });
    wide.append(rows.length ? lines : make("p", "nothing"));
    card.append(make("h2", title), wide);
    return card;
  }));
}

async function slow() {
  const told = await ask(`${COMMANDS}/slow`);
  $("threshold").textContent = told.slow_ms > 0
    ? `Operations that took ${told.slow_ms} ms or more: ${told.total} since the start, the newest first.`
    : "Nothing is looked for: ringkeeper.slow.ms in the configuration says from when on an operation is slow.";
  table($("operations"), [
    ["when", (row) => new Date(row.time_ms).toLocaleTimeString()],
    ["ms", (row) => row.ms, true],
    ...["queue", "log", "quorum", "apply", "reply"].map((stage) => [stage, (row) => row.stages_ms[stage], true]),
    ["operation", (row) => row.operation],
    ["path", (row) => row.path],
    ["bytes", (row) => row.bytes, true],
    ["client", (row) => row.client],
    ["principal", (row) => row.principal],
    ["session", (row) => row.session],
  ], told.operations || []);
}


let [path, next, proof] = ["/", null, null];
const below = (name) => (path === "/" ? `/${name}` : `${path}/${name}`);

async function node(before) {
  const headers = proof ? { authorization: proof } : {};
  const slice = before === null ? "" : `&before=${before}`;
  return ask(`/page/node?path=${encodeURIComponent(path)}${slice}`, headers);
}

function crumbs() {
  const parts = path.split("/").filter(Boolean);
  const all = ["/", ...parts].map((name, at) => {
    const button = make("button", at > 1 ? `/ ${name}` : name, { type: "button" });
    button.addEventListener("click", () => show(at ? `/${parts.slice(0, at).join("/")}` : "/"));
    return button;
  });
  $("crumbs").replaceChildren(...all);
}

function list(told) {
  const names = [...(told.children || [])].sort();
  $("children").append(...names.map((name) => {
    const [item, button] = [make("li"), make("button", name, { type: "button" })];
    button.addEventListener("click", () => show(below(name)));
    item.append(button);
    return item;
  }));
  if (told.left_out) {
    $("children").append(make("li", `and ${told.left_out} whose names are too long to be shown`));
  }
  next = told.next;
  $("older").hidden = next === null;
}

async function show(where) {
  path = where;
  history.replaceState(null, "", `#tree${encodeURI(path)}`);
  $("path").value = path;
  crumbs();
  let told;
  try {
    told = await node(null);
  } catch (error) {
    told = { error: String(error.message || error) };
  }
  if (where !== path) return;
  $("refused").textContent = told.error || "";
  $("node").hidden = Boolean(told.error);
  if (told.error) return;
  $("children").replaceChildren();
  list(told);
  const { stat, acl, data, kind } = told;
  $("count").textContent = `(${stat.numChildren})`;
  $("data").textContent = data === null ? "null"
    : (data.text ?? data.hex.replace(/(..)/g, "$1 ")) + (data.cut ? ` … (${stat.dataLength} bytes)` : "");
  const dated = (key) => (key === "ctime" || key === "mtime" ? ` ${new Date(stat[key]).toLocaleString()}` : "");
  table($("stat"), [["", ([key]) => key], ["", ([, value]) => value]],
    [["kind", kind], ...Object.entries(stat).map(([key, value]) => [key, `${value}${dated(key)}`])]);
  table($("acl"), [
    ["scheme", (rule) => rule.scheme], ["id", (rule) => rule.id],
    ["permissions", (rule) => rule.perms], ["", (rule) => (rule.own ? "yours" : "")],
  ], acl);
  if (told.acl_left_out) $("acl").append(make("caption", `and ${told.acl_left_out} more`));
}

$("go").addEventListener("submit", (event) => {
  event.preventDefault();
  show($("path").value.trim() || "/");
});
$("older").addEventListener("click", async () => {
  const from = path;
  const told = await node(next);
  if (from === path && !told.error) list(told);
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const user = $("user").value;
  proof = `digest ${user}:${$("password").value}`;
  $("password").value = "";
  $("who").textContent = `${user} (digest)`;
  show(path);
});
$("logout").addEventListener("click", () => {
  proof = null;
  $("who").textContent = "this browser's address";
  show(path);
});


const VIEWS = { overview: null, members, top: tops, slow, tree: null };
let view = "overview";

function select(name) {
  view = name;
  for (const other of Object.keys(VIEWS)) {
    const tab = $(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    $(other).hidden = other !== name;
  }
  if (name === "tree") show(path);
  else history.replaceState(null, "", `#${name}`);
  look();
}

const tabs = [...document.querySelectorAll('[role="tab"]')];
tabs.forEach((tab, at) => {
  const name = tab.getAttribute("aria-controls");
  tab.addEventListener("click", () => select(name));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const other = tabs[(at + step + tabs.length) % tabs.length];
    other.focus();
    select(other.getAttribute("aria-controls"));
  });
});

let asking = false;

async function look() {
  if (document.hidden || asking) return;
  asking = true;
  try {
    await figures();
    await Promise.all([overview(), VIEWS[view] ? VIEWS[view]() : null]);
    $("now").textContent = `live, ${new Date().toLocaleTimeString()}`;
    $("now").className = "";
  } catch (error) {
    $("now").textContent = `no answer: ${error.message || error}`;
    $("now").className = "bad";
  } finally {
    asking = false;
  }
}

for (const chart of CHARTS) {
  chart.figure = make("figure");
  $("charts").append(chart.figure);
}
$("host").textContent = location.host;
// A link to a view, and to a node: #tree/a/b.
const [, linked, node_linked] = /^#?(\w*)(.*)$/.exec(decodeURI(location.hash));
if (linked === "tree" && node_linked.startsWith("/")) path = node_linked;
select(linked in VIEWS ? linked : "overview");
setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);

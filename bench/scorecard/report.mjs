// The scorecard as a document.

/** @typedef {import("./main.mjs").Section} Section */
/** @typedef {import("./score.mjs").ScenarioScore} ScenarioScore */
/** @typedef {import("./tcptop.mjs").TcptopScore} TcptopScore */
/** @typedef {import("./main.mjs").PeerFacts} PeerFacts */

const number = (/** @type {number} */ value) => value.toLocaleString("en-US");

/** @param {readonly string[]} cells */
function row(cells) {
  return `| ${cells.join(" | ")} |`;
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  return [row(head), row(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(row)].join("\n");
}

/**
 * A part of a whole in per cent: 0 only where it is exactly 0.
 * @param {number} wrong
 * @param {number} whole
 */
function share(wrong, whole) {
  if (wrong === 0) return "0 %";
  if (whole === 0) return `${number(wrong)} B`;
  return `${((100 * wrong) / whole).toPrecision(2)} %`;
}

/** @param {number | null} percent */
function signed(percent) {
  if (percent === null) return "-";
  return `${percent > 0 ? "+" : ""}${percent.toFixed(2)} %`;
}

/**
 * @param {number} part
 * @param {number} whole
 */
function ratio(part, whole) {
  return `${number(part)} of ${number(whole)}`;
}

/**
 * @param {ScenarioScore["nftables"]} directions
 * @param {number} retransmitted
 */
function showNftables(directions, retransmitted) {
  if (!directions) return "-";
  const bytes = directions.reduce((sum, one) => sum + one.bytes, 0);
  const datagrams = directions.reduce((sum, one) => sum + one.datagrams, 0);
  if (directions.every((one) => one.bytes === 0 && one.datagrams === 0)) return "equal";
  const difference = [bytes && `${number(bytes)} B`, datagrams && `${number(datagrams)} datagrams`]
    .filter(Boolean)
    .join(", ");
  return retransmitted > 0 ? `+${difference}; ${number(retransmitted)} segments repeated` : `+${difference}`;
}

/** @param {ScenarioScore} score */
function tcptopRow({ title, skip, failure, tcptop, nftables, retransmitted = 0 }) {
  if (!tcptop) {
    const reason = skip === undefined ? `the traffic FAILED: ${failure}` : `not possible: ${skip}`;
    return [title, reason, "-", "-", "-", "-", "-"];
  }
  return [
    title,
    number(tcptop.in.bytes + tcptop.out.bytes),
    ratio(tcptop.seen, tcptop.ends),
    ratio(tcptop.owned, tcptop.ends),
    share(tcptop.in.wrong, tcptop.in.bytes),
    share(tcptop.out.wrong, tcptop.out.bytes),
    showNftables(nftables, retransmitted),
  ];
}

/** @param {readonly ScenarioScore[]} scenarios */
function tcptopTable(scenarios) {
  const head = ["traffic", "bytes", "seen", "right owner", "error in", "error out", "nftables"];
  return table(head, scenarios.map(tcptopRow));
}

/** @param {readonly ScenarioScore[]} scenarios */
function totals(scenarios) {
  const scored = scenarios.flatMap(({ tcptop }) => (tcptop ? [tcptop] : []));
  const sum = (/** @type {(one: TcptopScore) => number} */ of) =>
    scored.reduce((total, one) => total + of(one), 0);
  const wrong = sum((one) => one.in.wrong + one.out.wrong);
  const bytes = sum((one) => one.in.bytes + one.out.bytes);
  const ends = sum((one) => one.ends);
  return [
    `${ratio(
      sum((one) => one.seen),
      ends,
    )} ends seen, ${ratio(
      sum((one) => one.owned),
      ends,
    )} with the right owner, ${ratio(wrong, bytes)} bytes wrong,`,
    `${number(sum((one) => one.udpPackets ?? 0))} datagrams wrong.`,
  ].join(" ");
}

/** @param {import("./score.mjs").PeerScore | undefined} score */
function peerCell(score) {
  if (!score) return "-";
  const { of, seen, expected, owned } = score;
  const owner = owned === null ? "" : `, ${number(owned)} owned`;
  return `${ratio(seen, expected)} ${of}${owner}; in ${signed(score.in)}, out ${signed(score.out)}`;
}

/** @param {TcptopScore} tcptop */
function ownCell(tcptop) {
  const { seen, ends, owned } = tcptop;
  const part = share(tcptop.in.wrong, tcptop.in.bytes);
  return `${ratio(seen, ends)} ends, ${number(owned)} owned; in ${part}, out ${share(tcptop.out.wrong, tcptop.out.bytes)}`;
}

/**
 * @param {readonly PeerFacts[]} peers
 * @param {readonly ScenarioScore[]} scenarios
 */
function peerTable(peers, scenarios) {
  const measured = peers.filter(({ title }) => scenarios.some((one) => one.peers?.[title]));
  if (measured.length === 0) return "No other tool could be measured here.";
  return table(
    ["traffic", "tcptop", ...measured.map(({ title }) => title)],
    scenarios.flatMap(({ title, tcptop, peers: scores = {} }) =>
      tcptop ? [[title, ownCell(tcptop), ...measured.map((peer) => peerCell(scores[peer.title]))]] : [],
    ),
  );
}

/** @param {readonly PeerFacts[]} peers */
function peerNotes(peers) {
  return peers
    .map((peer) => {
      const what = `- ${peer.title} (Debian's ${peer.package}${peer.version ? ` ${peer.version}` : ""})`;
      return peer.missing ? `${what}: not measured here: ${peer.missing}.` : `${what}: ${peer.unit}.`;
    })
    .join("\n");
}

/** @param {Record<string, number>} losses */
function lossNote(losses) {
  const counts = Object.entries(losses);
  if (counts.length === 0) return "No loss counter moved.";
  return `Loss counters that moved: ${counts.map(([name, count]) => `${name} ${number(count)}`).join(", ")}.`;
}

/** @param {Section} score */
function section(score) {
  const { kernel, backend, processor, processors, guest, scale, version } = score;
  const place = guest ? "in a VM" : "on the machine itself";
  const nftables = score.without_nftables ? `\nnftables could not count: ${score.without_nftables}.\n` : "";
  return `## Linux ${kernel} ${place}, backend \`${backend}\`

\`sudo ${score.command}\`, ${score.date}; tcptop ${version}; ${processors} x ${processor}; load average ${score.load_average.toFixed(1)}; sizes times ${scale}.

**${totals(score.scenarios)}** ${lossNote(score.losses)}
${nftables}
${tcptopTable(score.scenarios)}

### Beside other tools

${peerTable(score.peers, score.scenarios)}

${peerNotes(score.peers)}
`;
}

/** @param {readonly ScenarioScore[]} scenarios */
function commands(scenarios) {
  return scenarios
    .map(({ title, traffic, args, place }) => {
      const options = Object.entries(args).map(([key, value]) => ` ${key}=${value}`);
      const far = place === "loopback" ? "" : " far=/run/netns/FAR";
      return `- ${title}: \`traffic ${traffic}${options.join("")}${far}\`${place === "container" ? ", in a container" : ""}`;
    })
    .join("\n");
}

/**
 * The whole document.
 * @param {readonly Section[]} sections
 */
export function scorecard(sections) {
  return `# Scorecard

How exact tcptop is, and how other tools do on the same traffic in the same run. \`npm run scorecard\` makes this
document; nothing in it is written by hand.

${sections.map(section).join("\n")}
## How to read it

- The traffic program (\`test/traffic\`) makes every connection with a process at each end, and each process counts
  what its own calls returned: that is "bytes", of both ends, in and out.
- "seen": ends of flows that tcptop told exactly once, with these addresses in this network namespace. "right owner":
  of these, those with the right PID and process name. "error": bytes that are wrong, flow by flow, so that one error
  cannot make up for another, as a part of all. 0 % means not one byte.
- nftables counts packets in the peer's namespace, on their way in and out, with a counter for each length of header:
  what it counts without headers is payload, to the byte. "equal": both directions equal what the programs counted,
  for UDP the number of datagrams too. TCP may repeat segments that were not lost; the wire then has more bytes than
  the programs, and no more can be confirmed than that.
- On loopback nftables counts all that comes in. The other rows cross a veth pair between two network namespaces. A
  container is a process in network, PID and cgroup namespaces and a control group of its own.
- Other tools see the near end only, and are held to what they say they count: the headers that they include are
  added to what they should show, from nftables at the near end. Their error is that of the sum over all they show,
  whomever they put it down to, so that errors of flows may cancel out. A tool that shows processes is asked for each
  process's PID. nethogs and iftop take all that passes on loopback for sent. bcc's tools show whole kilobytes: of
  1,234 bytes they show 1,024.
- Multipath TCP and the network block device: the sockets are the kernel's, and no process reads or writes them. The
  owner asked for is the process that made the connection. Multipath TCP may send data again on a path; the path's
  socket, which is what tcptop shows, then carries more bytes than the program wrote, and nftables sees them too.

## Commands

\`traffic\` is \`build/cmake/traffic/traffic\`, run in the near namespace of \`test/traffic/link up NAME\`; sizes of the first
section.

${commands(sections[0]?.scenarios ?? [])}
`;
}

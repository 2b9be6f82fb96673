/** The filter that is typed on the screen. */
import type { Endpoint } from "../../base/address.ts";
import { formatEndpoint } from "../../base/format.ts";
import { sanitise } from "../../base/sanitise.ts";
import type { Connection } from "./connection.ts";
import type { Accept } from "./filter.ts";

type EndpointTest = (endpoint: Endpoint) => boolean;

/** A part of a port as it is written, the only kind of word that may be in one. */
const IN_PORT = /^(\d{1,5}|\*)$/;

function portText(port: number): string {
  return port === 0 ? "*" : String(port);
}

/** Whether the text of a port starts so. */
function portStartTest(text: string): (port: number) => boolean {
  if (text === "") return () => true;
  if (text === "*") return (port) => port === 0;
  const start = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  return (port) => {
    let left = port;
    while (left > start) left = Math.trunc(left / 10);
    return left === start;
  };
}

/** Whether the text of an endpoint contains `word`; writes that text only where there is no other way. */
function endpointTest(word: string): EndpointTest {
  const colon = word.indexOf(":");
  if (/[[\]]/.test(word)) return (endpoint) => formatEndpoint(endpoint).includes(word);
  if (colon < 0) {
    const mayBeInPort = IN_PORT.test(word);
    return ({ address, port }) => address.includes(word) || (mayBeInPort && portText(port).includes(word));
  }
  const host = word.slice(0, colon);
  const isStart = portStartTest(word.slice(colon + 1));
  return (endpoint) =>
    endpoint.address.includes(":")
      ? formatEndpoint(endpoint).includes(word)
      : endpoint.address.endsWith(host) && isStart(endpoint.port);
}

/** Names that are remembered: whoever runs here can make new ones without end. */
const MOST_NAMES = 4096;

/** Names of processes as they are searched. */
class Names {
  readonly #known = new Map<string, string>();

  of({ owner }: Connection): string {
    if (owner === null) return "";
    const known = this.#known.get(owner.process);
    if (known !== undefined) return known;
    const name = sanitise(owner.process).toLowerCase();
    if (this.#known.size === MOST_NAMES) this.#known.clear();
    this.#known.set(owner.process, name);
    return name;
  }
}

/** Whether a connection has every word of the filter in an endpoint or in its process's name; null: no words. */
export function matcher(filter: string): Accept | null {
  const words = filter
    .toLowerCase()
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => ({ word, isIn: endpointTest(word) }));
  if (words.length === 0) return null;
  const names = new Names();
  return (connection) =>
    words.every(
      ({ word, isIn }) =>
        isIn(connection.remote) || isIn(connection.local) || names.of(connection).includes(word),
    );
}

/** `null` lets everything through. */
export function both(one: Accept | null, other: Accept): Accept {
  return one === null ? other : (connection) => one(connection) && other(connection);
}

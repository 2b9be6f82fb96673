/** A reader of RFC 4180, byte by byte as the grammar there has it; strict, so that a broken quote is an error. */

/** The cells of each line; throws where the grammar does not allow what comes. */
export function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  const fail = (what: string): never => {
    throw new Error(`CSV at ${at}: ${what}`);
  };
  const quoted = (): string => {
    let cell = "";
    for (at++; ; at++) {
      const character = text[at] ?? fail("a quote without its end");
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[at++];
      else break;
    }
    at++;
    return cell;
  };
  const plain = (): string => {
    const from = at;
    while (at < text.length && !",\n".includes(text[at] ?? "")) {
      if (text[at] === '"' || text[at] === "\r") fail("a character that needs quotes");
      at++;
    }
    return text.slice(from, at);
  };
  while (at < text.length) {
    row.push(text[at] === '"' ? quoted() : plain());
    const end = text[at++];
    if (end === "\n") {
      rows.push(row);
      row = [];
    } else if (end !== ",") fail("a cell without its end");
  }
  if (row.length > 0) fail("a line without its end");
  return rows;
}

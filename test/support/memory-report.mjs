// For `node --import`, with --expose-gc and an IPC channel: answers each message with process.memoryUsage()
// after a full collection, so that what is left is what is held.
process.on("message", () => {
  globalThis.gc?.();
  process.send?.(process.memoryUsage());
});
process.channel?.unref();

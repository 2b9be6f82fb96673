// Preloaded by Node: the addon that is loaded is the one built with sanitizers.
const { Module } = require("node:module");

const load = Module._extensions[".node"];
Module._extensions[".node"] = (module, file) =>
  load(module, file.replace("/build/cmake/Release/tcptop.node", "/build/sanitize/Release/tcptop.node"));

// Preloaded by Node: the addon that is loaded is the one built with sanitizers.
const { extensions } = require;

const load = extensions[".node"];
extensions[".node"] = (module, file) =>
  load(module, file.replace("/build/cmake/Release/tcptop.node", "/build/sanitize/Release/tcptop.node"));

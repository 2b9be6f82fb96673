# Hands over to CMake, the one build description, so that `node-gyp rebuild` builds the same addon.
{
  "targets": [
    {
      "target_name": "tcptop",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/cmake/Release/tcptop.node"],
          "action": ["npx", "cmake-js", "compile", "--out", "build/cmake"]
        }
      ]
    }
  ]
}

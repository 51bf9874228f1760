--[[
Export from darktable through dinplug: a storage for darktable's export module.

Copy this file to darktable's folder of Lua scripts (on Linux ~/.config/darktable/lua) and add
    require "dinplug"
to the file luarc beside that folder. "restore with dinplug" is then a target storage of the
export module. Options are those of a preset of dinplug, named in darktable's preferences under
"Lua options"; see `dinplug presets`. Results go to a folder "dinplug" beside each photo.
]]

local dt = require "darktable"
local on_windows = package.config:sub(1, 1) == "\\"

dt.preferences.register("dinplug", "command", "string", "dinplug: program",
  "name of the program, or its full path", "dinplug")
dt.preferences.register("dinplug", "preset", "string", "dinplug: preset",
  "a preset of dinplug that says what to do", "darktable")

-- The shell sees the program, the preset and paths of our own; names of photos go in a file.
local function quoted(text)
  if on_windows then
    return '"' .. text:gsub('"', "") .. '"'
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function restore(paths, folder)
  local list = os.tmpname()
  local file = assert(io.open(list, "wb"))
  for _, path in ipairs(paths) do
    file:write(path, "\0")
  end
  file:close()
  local preset = dt.preferences.read("dinplug", "preset", "string")
  local words = {
    quoted(dt.preferences.read("dinplug", "command", "string")), "batch", "--quiet",
    "--preset", quoted(preset), "--from", quoted(list), "--out", quoted(folder),
  }
  local code = dt.control.execute(table.concat(words, " "))
  os.remove(list)
  return code
end

-- Called once, after the last photo was exported to a temporary file.
local function finalize(_, exported)
  local by_folder = {}
  for image, path in pairs(exported) do
    local folder = image.path .. (on_windows and "\\" or "/") .. "dinplug"
    by_folder[folder] = by_folder[folder] or {}
    table.insert(by_folder[folder], path)
  end
  for folder, paths in pairs(by_folder) do
    local code = restore(paths, folder)
    if code == 0 then
      dt.print("dinplug: results are in " .. folder)
      for _, path in ipairs(paths) do
        os.remove(path)
      end
    else
      dt.print("dinplug ended with exit code " .. code .. "; start darktable in a terminal to see why")
    end
  end
end

dt.register_storage("dinplug", "restore with dinplug", nil, finalize)

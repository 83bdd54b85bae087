#include <pluginhost/config.h>
#include <pluginhost/events.h>
#include <pluginhost/health.h>
#include <pluginhost/hooks.h>
#include <pluginhost/log.h>
#include <pluginhost/plugin.h>
#include <pluginhost/registry.h>
#include <pluginhost/rpc.h>
#include <pluginhost/state.h>
#include <pluginhost/websocket.h>

/* Whatever links this target, as PluginKit does, carries the note. */
PH_PLUGIN_NOTE;

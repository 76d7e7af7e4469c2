"""
Home Assistant itself, without its pages; run by its own Python, see `.ci/homeassistant`.

``python hass.py FOLDER BROKER_PORT`` says a line of JSON when its MQTT integration is connected, and one
with everything that it knows for each line that it hears, until its stdin is closed.
"""

import asyncio
import json
import sys

from homeassistant import bootstrap, runner
from homeassistant.helpers import device_registry, entity_registry

# What a person needs: the pages, the assistant, backups.  Their requirements are many.
for _name in vars(bootstrap).copy():
    if _name.startswith(("DEFAULT_INTEGRATIONS", "CRITICAL_INTEGRATIONS")):
        setattr(bootstrap, _name, set())


def known(hass):
    devices = device_registry.async_get(hass).devices
    return {
        "devices": {
            each.name: {
                "via": each.via_device_id and devices[each.via_device_id].name,
                "connections": sorted(map(list, each.connections)),
            }
            for each in devices.values()
        },
        "states": {each.entity_id: each.state for each in hass.states.async_all()},
        "homes": {
            each.entity_id: each.device_id and devices[each.device_id].name
            for each in entity_registry.async_get(hass).entities.values()
        },
    }


async def main(folder, port):
    hass = await bootstrap.async_setup_hass(runner.RuntimeConfig(config_dir=folder, skip_pip=True))
    await hass.async_start()
    flow = await hass.config_entries.flow.async_init("mqtt", context={"source": "user"})
    made = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"broker": "127.0.0.1", "port": port}
    )
    await hass.async_block_till_done()
    print(json.dumps(str(made["type"])), flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        await asyncio.sleep(0.1)
        await hass.async_block_till_done()
        print(json.dumps(known(hass)), flush=True)
    await hass.async_stop()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))

"""
Servers' controllers behind Redfish: the resources of DMTF's schemas that tell power and air.

Nothing published serves them: sushy-tools has no power, DMTF's mock-up server is no package and
its figures stand still.  What is here is written from the schemas (DSP8010: Power 1.7, Thermal 1.7,
EnvironmentMetrics 1.3, Sensor 1.9), not from a profile.
"""

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporters.devices.credentials import Credentials
from exporters.readings import Quantity
from lab.plant.instruments import KWH, Instrument

ROOT = "/redfish/v1"
CHASSIS = f"{ROOT}/Chassis/1"
SESSIONS = f"{ROOT}/SessionService/Sessions"
MOST_SESSIONS = 16
SUPPLIES = 2
Resource = dict[str, Any]


class Controller(NamedTuple):
    """One server's controller."""

    instrument: Instrument
    legacy: bool
    """Whether it has the older Power and Thermal only."""
    credentials: Credentials


def app(controllers: dict[int, Controller], clock: Callable[[], float]) -> Starlette:
    """Return the application that answers for every controller at its port."""
    sessions: dict[str, tuple[int, str]] = {}  # id to port and token

    async def log_in(request: Request) -> Response:
        given = controllers[_port(request)].credentials
        asked = await request.json()
        password = given.password.get_secret_value() if given.password else ""
        if asked.get("UserName") != given.username or asked.get("Password") != password:
            return _refused()
        if len(sessions) >= MOST_SESSIONS * len(controllers):
            sessions.pop(next(iter(sessions)))  # the oldest has ended
        one, token = secrets.token_hex(4), secrets.token_hex(16)
        sessions[one] = (_port(request), token)
        body = {"@odata.id": f"{SESSIONS}/{one}", "Id": one, "UserName": given.username}
        headers = {"X-Auth-Token": token, "Location": f"{SESSIONS}/{one}"}
        return JSONResponse(body, status_code=201, headers=headers)

    async def log_out(request: Request) -> Response:
        if not _is_known(request):
            return _refused()
        sessions.pop(request.path_params["one"], None)
        return Response(status_code=204)

    def _is_known(request: Request) -> bool:
        pair = (_port(request), request.headers.get("x-auth-token", ""))
        return pair in sessions.values()

    async def get(request: Request) -> Response:
        path = request.url.path.rstrip("/")
        if path != ROOT and not _is_known(request):
            return _refused()
        found = resources(controllers[_port(request)], clock()).get(path)
        if found is None:
            return JSONResponse({"error": {"code": "Base.1.0.ResourceMissing"}}, status_code=404)
        return JSONResponse({"@odata.id": path, **found})

    return Starlette(
        routes=[
            Route(SESSIONS, log_in, methods=["POST"]),
            Route(f"{SESSIONS}/{{one}}", log_out, methods=["DELETE"]),
            Route("/redfish/{rest:path}", get),
        ]
    )


def resources(controller: Controller, now: float) -> dict[str, Resource]:
    """Return a controller's resources by path, but for their own `@odata.id`."""
    measured = controller.instrument.value
    watts = measured(Quantity.POWER, "", now)
    joules = measured(Quantity.ENERGY, "", now)
    kwh = None if joules is None else round(joules / KWH, 3)
    half = None if watts is None else watts / SUPPLIES
    inlet = _celsius(measured(Quantity.TEMPERATURE, "inlet", now))
    exhaust = _celsius(measured(Quantity.TEMPERATURE, "exhaust", now))
    dew_point = _celsius(measured(Quantity.DEW_POINT, "inlet", now))
    humidity = measured(Quantity.HUMIDITY, "inlet", now)
    found: dict[str, Resource] = {
        ROOT: {
            "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
            "Id": "RootService",
            "RedfishVersion": "1.18.0",
            "Chassis": _link(f"{ROOT}/Chassis"),
            "SessionService": _link(f"{ROOT}/SessionService"),
            "Links": {"Sessions": _link(SESSIONS)},
        },
        f"{ROOT}/SessionService": {
            "@odata.type": "#SessionService.v1_1_9.SessionService",
            "ServiceEnabled": True,
            "Sessions": _link(SESSIONS),
        },
        f"{ROOT}/Chassis": _collection("Chassis", [CHASSIS]),
    }
    chassis = {
        "@odata.type": "#Chassis.v1_25_0.Chassis",
        "Id": "1",
        "ChassisType": "RackMount",
        "PowerState": "On",
    }
    if controller.legacy:
        control = {"MemberId": "0", "PowerConsumedWatts": watts, "PowerCapacityWatts": 3000}
        places = [("Inlet Temp", "Intake", inlet), ("Exhaust Temp", "Exhaust", exhaust)]
        air = [
            {"MemberId": str(at), "Name": name, "PhysicalContext": where, "ReadingCelsius": celsius}
            for at, (name, where, celsius) in enumerate(places)
        ]
        inputs = [{"MemberId": str(at), "PowerInputWatts": half} for at in range(SUPPLIES)]
        power = {"PowerControl": [control], "PowerSupplies": inputs}
        return found | {
            CHASSIS: {
                **chassis,
                "Power": _link(f"{CHASSIS}/Power"),
                "Thermal": _link(f"{CHASSIS}/Thermal"),
            },
            f"{CHASSIS}/Power": {"@odata.type": "#Power.v1_7_1.Power", **power},
            f"{CHASSIS}/Thermal": {"@odata.type": "#Thermal.v1_7_1.Thermal", "Temperatures": air},
        }
    sensors = {
        "TotalPower": _sensor("Power", "W", "Chassis", watts),
        "TotalEnergy": {**_sensor("EnergykWh", "kW.h", "Chassis", kwh), "LifetimeReading": kwh},
        "IntakeTemp": _sensor("Temperature", "Cel", "Intake", inlet),
        "ExhaustTemp": _sensor("Temperature", "Cel", "Exhaust", exhaust),
    }
    paths = {name: f"{CHASSIS}/Sensors/{name}" for name in sensors}
    metrics = {
        "@odata.type": "#EnvironmentMetrics.v1_3_1.EnvironmentMetrics",
        "TemperatureCelsius": {"DataSourceUri": paths["IntakeTemp"], "Reading": inlet},
        "DewPointCelsius": {"Reading": dew_point},
        "HumidityPercent": {"Reading": None if humidity is None else round(humidity * 100, 1)},
        "PowerWatts": {"DataSourceUri": paths["TotalPower"], "Reading": watts},
        "EnergykWh": {
            "DataSourceUri": paths["TotalEnergy"],
            "Reading": kwh,
            "LifetimeReading": kwh,
        },
    }
    temperatures = [
        {"DeviceName": name, "DataSourceUri": paths[name], "Reading": celsius}
        for name, celsius in (("IntakeTemp", inlet), ("ExhaustTemp", exhaust))
    ]
    thermal = f"{CHASSIS}/ThermalSubsystem"
    supplies = f"{CHASSIS}/PowerSubsystem/PowerSupplies"
    bays = [f"{supplies}/Bay{at + 1}" for at in range(SUPPLIES)]
    return found | {
        CHASSIS: {
            **chassis,
            "EnvironmentMetrics": _link(f"{CHASSIS}/EnvironmentMetrics"),
            "PowerSubsystem": _link(f"{CHASSIS}/PowerSubsystem"),
            "ThermalSubsystem": _link(thermal),
            "Sensors": _link(f"{CHASSIS}/Sensors"),
        },
        f"{CHASSIS}/EnvironmentMetrics": metrics,
        f"{CHASSIS}/PowerSubsystem": {
            "@odata.type": "#PowerSubsystem.v1_1_2.PowerSubsystem",
            "CapacityWatts": 3000,
            "Allocation": {"RequestedWatts": watts, "AllocatedWatts": 3000},
            "PowerSupplies": _link(supplies),
        },
        supplies: _collection("PowerSupply", bays),
        **{
            bay: {
                "@odata.type": "#PowerSupply.v1_6_0.PowerSupply",
                "Metrics": _link(f"{bay}/Metrics"),
            }
            for bay in bays
        },
        **{
            f"{bay}/Metrics": {
                "@odata.type": "#PowerSupplyMetrics.v1_1_2.PowerSupplyMetrics",
                "InputPowerWatts": {"Reading": half},
            }
            for bay in bays
        },
        thermal: {
            "@odata.type": "#ThermalSubsystem.v1_3_2.ThermalSubsystem",
            "ThermalMetrics": _link(f"{thermal}/ThermalMetrics"),
        },
        f"{thermal}/ThermalMetrics": {
            "@odata.type": "#ThermalMetrics.v1_3_1.ThermalMetrics",
            "TemperatureSummaryCelsius": {"Intake": temperatures[0], "Exhaust": temperatures[1]},
            "TemperatureReadingsCelsius": temperatures,
        },
        f"{CHASSIS}/Sensors": _collection("Sensor", list(paths.values())),
        **{paths[name]: sensor for name, sensor in sensors.items()},
    }


def _sensor(kind: str, unit: str, where: str, reading: float | None) -> Resource:
    return {
        "@odata.type": "#Sensor.v1_9_0.Sensor",
        "ReadingType": kind,
        "ReadingUnits": unit,
        "PhysicalContext": where,
        "Reading": reading,
        "Status": {"State": "Enabled", "Health": "OK"},
    }


def _collection(kind: str, paths: list[str]) -> Resource:
    return {
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Members": [_link(path) for path in paths],
        "Members@odata.count": len(paths),
    }


def _link(path: str) -> Resource:
    return {"@odata.id": path}


def _celsius(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _port(request: Request) -> int:
    return int(request.scope["server"][1])


def _refused() -> Response:
    return JSONResponse({"error": {"code": "Base.1.0.NoValidSession"}}, status_code=401)

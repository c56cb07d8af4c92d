"""Holds template.yaml to its linters and to the code that it deploys.

    pip install -r tests/template/requirements.txt
    python tests/template/check.py --openapi FILE --schema FILE --sources FILE

--openapi  the document that the service serves at /openapi.json.
--schema   the tables that the code works on:
           {"tables": [{"name": "ledger", "partition": ["client_id", "S"], "sort": ["sk", "S"],
                        "indexes": [{"name": "due", "partition": [..], "sort": [..]}],
                        "ttl": null, "stream": "NEW_IMAGE"}]}
--sources  how the local stack feeds functions from queues and streams:
           {"usage-settle": {"batch_size": 1000, "window_s": 5}}

Works without a network and without AWS credentials. Exits with 1 if any check fails.
"""

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
from yaml import YAMLError

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}

# The stacks that the template must be good for: stage, colour, whether it makes the data.
STACKS = [("dev", "blue", "yes"), ("qa", "green", "no"), ("uat", "blue", "no"), ("prod", "green", "no")]

# What SAM attaches by itself: to write logs, to send traces, to shift traffic.
MANAGED_BY_AWS = {
    "AWSLambdaBasicExecutionRole",
    "AWSXrayWriteOnlyAccess",
    "AWSCodeDeployRoleForLambda",
}


# Runs in a container on a GPU, not on Lambda.
NOT_ON_LAMBDA = {"generation-worker"}


class NoPolicies:
    """Stands in for the list of AWS's managed policies: the template names none of them."""

    def load(self):
        return {}


class Template:
    """The template as written, and as SAM translates it for each stack."""

    def __init__(self, path):
        self.path = path
        self.written = yaml_parse(path.read_text(encoding="utf-8"))

    def functions(self):
        """Logical id and resource of each function."""
        return {
            name: resource
            for name, resource in self.written["Resources"].items()
            if resource["Type"] == "AWS::Serverless::Function"
        }

    def routes(self):
        """The routes, as `GET /v1/memes`."""
        return {
            f"{event['Properties']['Method'].upper()} {event['Properties']['Path']}"
            for function in self.functions().values()
            for event in function["Properties"].get("Events", {}).values()
            if event["Type"] == "HttpApi"
        }

    def translated(self, stage, colour, create_data):
        template = yaml_parse(self.path.read_text(encoding="utf-8"))
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                # Translation wants what `sam package` makes of a folder.
                resource["Properties"]["CodeUri"] = "s3://packages/function.zip"
        values = {
            name: parameter["Default"]
            for name, parameter in template["Parameters"].items()
            if "Default" in parameter
        }
        values |= {"Stage": stage, "Colour": colour, "CreateData": create_data}
        return transform(template, values, NoPolicies())


def run(program, *arguments):
    """Runs a linter of this environment; its output if it complains."""
    environment = os.environ | {"AWS_DEFAULT_REGION": REGION, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return []
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines or [f"exit status {done.returncode}"]


def differences(ours, theirs, what, where):
    """What is only in the template, and what is only elsewhere."""
    return [f"{what} only in the template: {it}" for it in sorted(ours - theirs)] + [
        f"{what} only in {where}: {it}" for it in sorted(theirs - ours)
    ]


def check_cfn_lint(template, _options):
    return run("cfn-lint", "--regions", REGION, "--", template.path)


def check_sam_validate(template, _options):
    return run("sam", "validate", "--lint", "--template", template.path)


def check_translation(template, _options):
    """SAM translates the template for every stack."""
    problems = []
    for stack in STACKS:
        try:
            resources = template.translated(*stack)["Resources"]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            causes = getattr(error, "causes", None) or [error]
            problems += [f"{'/'.join(stack)}: {getattr(it, 'message', it)}" for it in causes]
            continue
        left = [name for name, it in resources.items() if it["Type"].startswith("AWS::Serverless")]
        problems += [f"{'/'.join(stack)}: not translated: {name}" for name in left]
    return problems


def check_routes(template, options):
    """The routes are those of the OpenAPI document."""
    document = json.loads(options.openapi.read_text(encoding="utf-8"))
    theirs = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
        if method in METHODS
    }
    # OpenAPI has no word for a parameter that takes the rest of a path: API Gateway's `{name+}`.
    ours = {route.replace("+}", "}") for route in template.routes()}
    problems = differences(ours, theirs, "route", options.openapi.name)
    if not ours:
        problems.append("the template has no routes at all")
    return problems


def check_route_settings(template, _options):
    """Limits are set for routes that exist: API Gateway refuses others only when deploying."""
    settings = template.written["Resources"]["Api"]["Properties"]["RouteSettings"]
    return [f"settings for no route: {it}" for it in sorted(set(settings) - template.routes())]


def describe_table(properties):
    """A table of the template in the words of the schema."""
    kinds = {it["AttributeName"]: it["AttributeType"] for it in properties["AttributeDefinitions"]}

    def keys(schema):
        by_type = {it["KeyType"]: it["AttributeName"] for it in schema}
        named = {kind: [name, kinds.get(name)] for kind, name in by_type.items()}
        return {"partition": named.get("HASH"), "sort": named.get("RANGE")}

    indexes = properties.get("GlobalSecondaryIndexes", [])
    ttl = properties.get("TimeToLiveSpecification", {})
    return keys(properties["KeySchema"]) | {
        "indexes": {it["IndexName"]: keys(it["KeySchema"]) for it in indexes},
        "ttl": ttl.get("AttributeName") if ttl.get("Enabled") else None,
        "stream": properties.get("StreamSpecification", {}).get("StreamViewType"),
    }


def check_tables(template, options):
    """Tables, keys, indexes, TTL and streams are those of the code."""
    schema = json.loads(options.schema.read_text(encoding="utf-8"))
    theirs = {
        table["name"]: {
            "partition": table["partition"],
            "sort": table.get("sort"),
            "indexes": {
                it["name"]: {"partition": it["partition"], "sort": it.get("sort")}
                for it in table["indexes"]
            },
            "ttl": table.get("ttl"),
            "stream": table.get("stream"),
        }
        for table in schema["tables"]
    }
    ours = {}
    problems = []
    for logical, resource in template.written["Resources"].items():
        if resource["Type"] != "AWS::DynamoDB::Table":
            continue
        properties = resource["Properties"]
        name = properties["TableName"]["Fn::Sub"].removeprefix("memes-${Stage}-")
        ours[name] = describe_table(properties)
        problems += [f"{logical}: {it}" for it in table_defects(resource)]
    problems += differences(set(ours), set(theirs), "table", options.schema.name)
    for name in sorted(set(ours) & set(theirs)):
        for part in ("partition", "sort", "indexes", "ttl", "stream"):
            if ours[name][part] != theirs[name][part]:
                problems.append(
                    f"table {name}: {part} is {ours[name][part]} in the template, "
                    f"{theirs[name][part]} in {options.schema.name}"
                )
    if not theirs:
        problems.append(f"{options.schema.name} has no tables at all")
    return problems


def table_defects(resource):
    """What every table must have, whatever its keys."""
    properties = resource["Properties"]
    wanted = {
        "the condition OwnsData": resource.get("Condition") == "OwnsData",
        "a deletion policy": "DeletionPolicy" in resource,
        "on-demand billing": properties.get("BillingMode") == "PAY_PER_REQUEST",
        "point-in-time recovery": properties.get("PointInTimeRecoverySpecification", {}).get(
            "PointInTimeRecoveryEnabled"
        ),
        "encryption with the stage's key": "KMSMasterKeyId" in properties.get("SSESpecification", {}),
        "indexes that project everything": all(
            it["Projection"] == {"ProjectionType": "ALL"}
            for it in properties.get("GlobalSecondaryIndexes", [])
        ),
    }
    return [f"lacks {what}" for what, there in wanted.items() if not there]


def check_folders(template, _options):
    """Each function is a folder with a crate and a binary of its name, and says how to build it."""
    problems = []
    deployed = set()
    for logical, function in template.functions().items():
        properties = function["Properties"]
        folder = properties["CodeUri"].rstrip("/")
        name = folder.removeprefix("functions/")
        deployed.add(name)
        metadata = function.get("Metadata", {})
        if metadata.get("BuildMethod") != "rust-cargolambda":
            problems.append(f"{logical}: is not built by rust-cargolambda")
        if metadata.get("BuildProperties", {}).get("Binary") != name:
            problems.append(f"{logical}: its binary is not called {name}, as its folder is")
        if logical != "".join(part.capitalize() for part in name.split("-")):
            problems.append(f"{logical}: is not called after its folder, {folder}")
        if properties["FunctionName"].get("Fn::Sub") != f"memes-${{Stage}}-${{Colour}}-{name}":
            problems.append(f"{logical}: its FunctionName does not end in {name}")
        manifest = ROOT / folder / "Cargo.toml"
        if not manifest.is_file():
            problems.append(f"{logical}: there is no {folder}/Cargo.toml")
            continue
        crate = tomllib.loads(manifest.read_text(encoding="utf-8"))
        binaries = {it["name"] for it in crate.get("bin", [])}
        if (ROOT / folder / "src/main.rs").is_file() and not binaries:
            binaries = {crate["package"]["name"]}
        if name not in binaries:
            problems.append(f"{logical}: {folder} makes no binary called {name}")
    written = {manifest.parent.name for manifest in ROOT.glob("functions/*/Cargo.toml")}
    problems += [
        f"functions/{name} is not in the template"
        for name in sorted(written - deployed - NOT_ON_LAMBDA)
    ]
    return problems


def check_sources(template, options):
    """Lambda gathers messages and records as the local stack does."""
    theirs = json.loads(options.sources.read_text(encoding="utf-8"))
    mappings = {
        resource["Properties"]["FunctionName"]["Ref"].removesuffix(".Alias"): resource["Properties"]
        for resource in template.written["Resources"].values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    }
    problems = []
    for name, wanted in theirs.items():
        logical = "".join(part.capitalize() for part in name.split("-"))
        if logical not in mappings:
            problems.append(f"{name} has no event source in the template")
            continue
        mapping = mappings[logical]
        ours = {
            "batch_size": mapping.get("BatchSize"),
            "window_s": mapping.get("MaximumBatchingWindowInSeconds", 0),
        }
        problems += [
            f"{name}: {part} is {ours[part]} in the template, {value} in {options.sources.name}"
            for part, value in wanted.items()
            if ours.get(part) != value
        ]
    if not theirs:
        problems.append(f"{options.sources.name} has no sources at all")
    return problems


def check_environment(template, _options):
    """Functions are told what the code reads, and nothing else."""
    source = (ROOT / "shared/aws/src/config.rs").read_text(encoding="utf-8")
    listed = re.search(r"pub const VARIABLES[^=]*=\s*&\[(.*?)\];", source, re.DOTALL)
    if not listed:
        return ["config.rs has no list of VARIABLES"]
    known = set(re.findall(r'"([A-Z_]+)"', listed[1]))

    def variables(properties):
        return set(properties.get("Environment", {}).get("Variables", {}))

    told = variables(template.written["Globals"]["Function"])
    for function in template.functions().values():
        told |= variables(function["Properties"])
    return differences(told, known, "variable", "config.rs")


def check_privileges(template, _options):
    """No function may do anything to everything."""
    problems = []
    resources = template.translated(*STACKS[0])["Resources"]
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        documents = [it["PolicyDocument"] for it in properties.get("Policies", [])]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            documents.append(properties["PolicyDocument"])
        elif resource["Type"] != "AWS::IAM::Role":
            continue
        for statement in (it for document in documents for it in document["Statement"]):
            for action in as_list(statement["Action"]):
                if "*" in action:
                    problems.append(f"{name}: may do {action}")
            if "*" in as_list(statement["Resource"]):
                problems.append(f"{name}: may do {statement['Action']} to everything")
        for arn in properties.get("ManagedPolicyArns", []):
            if isinstance(arn, str) and arn.rsplit("/", 1)[-1] not in MANAGED_BY_AWS:
                problems.append(f"{name}: has AWS's policy {arn}")
    return problems


def as_list(value):
    return value if isinstance(value, list) else [value]


def check_rollback(template, _options):
    """A function that answers requests is rolled back by its own alarm and by the API's."""
    problems = []
    for logical, function in template.functions().items():
        properties = function["Properties"]
        events = properties.get("Events", {}).values()
        if not any(event["Type"] == "HttpApi" for event in events):
            continue
        alarms = [it.get("Ref") for it in properties.get("DeploymentPreference", {}).get("Alarms", [])]
        if alarms != [f"{logical}Alarm", "ServerErrorsAlarm"]:
            problems.append(f"{logical}: its alarms are {alarms}")
        alarm = template.written["Resources"].get(f"{logical}Alarm", {}).get("Properties", {})
        dimensions = {it["Name"]: it["Value"] for it in alarm.get("Dimensions", [])}
        watched = [
            dimensions.get("FunctionName") == {"Ref": logical},
            dimensions.get("Resource") == {"Fn::Sub": f"${{{logical}}}:${{Stage}}"},
            dimensions.get("ExecutedVersion") == {"Fn::GetAtt": [logical, "Version.Version"]},
        ]
        if not all(watched):
            problems.append(f"{logical}: its alarm watches something else: {dimensions}")
    return problems


def check_deployments(template, _options):
    """samconfig.toml gives parameters that the template has, and values that it takes."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    parameters = template.written["Parameters"]
    problems = []
    deployments = 0
    for name, commands in config.items():
        if not isinstance(commands, dict) or "deploy" not in commands:
            continue
        deployments += 1
        settings = commands["deploy"]["parameters"]
        given = dict(it.split("=", 1) for it in settings["parameter_overrides"].split())
        for key, value in given.items():
            allowed = [str(it) for it in parameters.get(key, {}).get("AllowedValues", [value])]
            if key not in parameters or value not in allowed:
                problems.append(f"{name}: the template does not take {key}={value}")
        wanting = {key for key, it in parameters.items() if "Default" not in it} - set(given)
        problems += [f"{name}: {key} is not given" for key in sorted(wanting)]
        if settings["stack_name"] != f"memes-{given.get('Stage')}-{given.get('Colour')}":
            problems.append(f"{name}: its stack is called {settings['stack_name']}")
    return problems if deployments else ["samconfig.toml deploys nothing"]


CHECKS = [
    ("cfn-lint", check_cfn_lint),
    ("sam validate --lint", check_sam_validate),
    ("translation by SAM", check_translation),
    ("routes", check_routes),
    ("limits of routes", check_route_settings),
    ("tables", check_tables),
    ("functions and their folders", check_folders),
    ("event sources", check_sources),
    ("environment variables", check_environment),
    ("privileges", check_privileges),
    ("rollback", check_rollback),
    ("samconfig.toml", check_deployments),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--openapi", type=Path, required=True, metavar="FILE")
    parser.add_argument("--schema", type=Path, required=True, metavar="FILE")
    parser.add_argument("--sources", type=Path, required=True, metavar="FILE")
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", metavar="FILE")
    options = parser.parse_args()

    # SAM's translation warns of its own experiments.
    logging.disable(logging.WARNING)
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    try:
        template = Template(options.template.resolve())
    except (OSError, ValueError, YAMLError) as error:
        print(f"FAILED  reading the template\n        {error}\n0 passed, {len(CHECKS)} failed")
        return 1
    failed = 0
    for name, check in CHECKS:
        try:
            problems = check(template, options)
        except Exception as error:  # noqa: BLE001 - a check that breaks has failed
            problems = [f"{type(error).__name__}: {error}"]
        print(f"{'FAILED' if problems else 'passed'}  {name}", flush=True)
        for problem in problems:
            print(f"        {problem}", flush=True)
        failed += bool(problems)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`template.yaml` with the functions' programs, deployed to the emulator.

The template is deployed as it is. What the emulator lacks is made up for after SAM's translation:

- it makes no routes of the OpenAPI document that SAM puts them into, so they become resources;
- it has no CodeDeploy, which shifts traffic to a new version by and by: left out;
- its alarms know no arithmetic on metrics: such an alarm watches the first of its metrics;
- it knows no condition on the keys of items: dropped, and the rest of the statement holds;
- it is reached without TLS: what denies that is left out;
- its functions share this machine's /tmp, where on Lambda each sandbox has its own: each function
  has a folder of tallies of its own.
"""

import hashlib
import json
import tomllib
import zipfile
from pathlib import Path

from botocore.exceptions import WaiterError
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "packages"

# Tokens are issued by it and pictures are under it. Its name leads nowhere: what it stands for is
# reached at the emulator's gateway.
BASE_URL = "https://dev.example.test"


class NoPolicies:
    """Stands in for the list of AWS's managed policies: the template names none of them."""

    def load(self):
        return {}


class Stack:
    """One colour of the stage dev."""

    def __init__(self, emulator, binaries, colour, create_data):
        self.emulator = emulator
        self.name = f"memes-dev-{colour}"
        self.parameters = configured_parameters() | {"Colour": colour, "CreateData": create_data}
        template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                function = resource["Metadata"]["BuildProperties"]["Binary"]
                resource["Properties"]["CodeUri"] = package(emulator, binaries / function)
        defaults = {
            name: parameter["Default"]
            for name, parameter in template["Parameters"].items()
            if "Default" in parameter
        }
        template = transform(template, defaults | self.parameters, NoPolicies())
        make_routes(template)
        leave_out_deployments(template)
        simplify_alarms(template)
        simplify_policies(template)
        move_tallies(template, emulator.folder / "tallies" / colour)
        self.outputs = deploy(emulator, self.name, template, self.parameters)


def configured_parameters():
    """What samconfig.toml gives the first colour of dev."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    overrides = config["dev"]["deploy"]["parameters"]["parameter_overrides"]
    return dict(it.split("=", 1) for it in overrides.split())


def package(emulator, program):
    """Puts a program where `sam package` would; its address."""
    s3 = emulator.client("s3")
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    path = emulator.folder / f"{digest}.zip"
    if not path.exists():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(program, "bootstrap")
        s3.upload_file(str(path), PACKAGES, path.name)
    return f"s3://{PACKAGES}/{path.name}"


def make_routes(template):
    """Makes resources of the routes in the API's OpenAPI document."""
    resources = template["Resources"]
    for name, api in [it for it in resources.items() if it[1]["Type"] == "AWS::ApiGatewayV2::Api"]:
        body = api["Properties"].pop("Body")
        api["Properties"] |= {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
        # Names of settings begin with a small letter there, and the emulator looks for them so.
        api["Properties"]["CorsConfiguration"] = body["x-amazon-apigateway-cors"]
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                integration = operation["x-amazon-apigateway-integration"]
                number = len(resources)
                resources[f"Integration{number}"] = {
                    "Type": "AWS::ApiGatewayV2::Integration",
                    "Properties": {
                        "ApiId": {"Ref": name},
                        "IntegrationType": "AWS_PROXY",
                        "IntegrationUri": integration["uri"],
                        "IntegrationMethod": integration["httpMethod"],
                        "PayloadFormatVersion": integration["payloadFormatVersion"],
                    },
                }
                resources[f"Route{number}"] = {
                    "Type": "AWS::ApiGatewayV2::Route",
                    "Properties": {
                        "ApiId": {"Ref": name},
                        "RouteKey": f"{method.upper()} {path}",
                        "Target": {"Fn::Sub": f"integrations/${{Integration{number}}}"},
                    },
                }


def leave_out_deployments(template):
    """Leaves out CodeDeploy, and what aliases say of it."""
    resources = template["Resources"]
    for name, resource in list(resources.items()):
        if resource["Type"].startswith("AWS::CodeDeploy::"):
            del resources[name]
    for resource in resources.values():
        resource.get("UpdatePolicy", {}).pop("CodeDeployLambdaAliasUpdate", None)


def simplify_alarms(template):
    """Has alarms watch one metric each."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            first = resource["Properties"].pop("Metrics")[0]["MetricStat"]
            resource["Properties"] |= first["Metric"]
            resource["Properties"] |= {"Period": first["Period"], "Statistic": first["Stat"]}


def simplify_policies(template):
    """Drops what the emulator cannot check, and what would deny everything there."""
    resources = template["Resources"]
    for name, resource in list(resources.items()):
        properties = resource.get("Properties", {})
        documents = [it["PolicyDocument"] for it in properties.get("Policies", [])]
        if "PolicyDocument" in properties:
            documents.append(properties["PolicyDocument"])
        for document in documents:
            for statement in document["Statement"]:
                if "dynamodb:LeadingKeys" in json.dumps(statement.get("Condition", {})):
                    del statement["Condition"]
            document["Statement"] = [
                it for it in document["Statement"] if it.get("Sid") != "OnlyEncryptedConnections"
            ]
        if not all(document["Statement"] for document in documents):
            del resources[name]


def move_tallies(template, folder):
    """Has each function keep its tallies in a folder of its own in this one."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Environment"]["Variables"]["MEMES_TALLIES"] = f"{folder}/{name}"


def deploy(emulator, name, template, parameters):
    """Makes a stack of a template, and waits until it is there; its outputs."""
    s3 = emulator.client("s3")
    s3.put_object(Bucket=PACKAGES, Key=f"{name}.json", Body=json.dumps(template).encode())
    cloudformation = emulator.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"{emulator.url}/{PACKAGES}/{name}.json",
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except WaiterError as error:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [
            f"{it['LogicalResourceId']}: {it.get('ResourceStatusReason')}"
            for it in events
            if it["ResourceStatus"].endswith("FAILED")
        ]
        raise AssertionError(f"{name} was not made: {reasons}") from error
    made = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {it["OutputKey"]: it["OutputValue"] for it in made["Outputs"]}


def deploy_worker(emulator, binaries):
    """Deploys the worker; the id of what feeds it."""
    template = yaml_parse(Path(__file__).with_name("worker.yaml").read_text(encoding="utf-8"))
    simplify_policies(template)
    address = package(emulator, binaries / "generation-worker")
    bucket, key = address.removeprefix("s3://").split("/")
    return deploy(emulator, "memes-dev-worker", template, {"Bucket": bucket, "Key": key})["Source"]

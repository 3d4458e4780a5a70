"""应用接入: applications meet the services that were bought."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.onboarding.evidence import evidence
from miyun.offerings.onboarding.operations import ONBOARDED, OPERATIONS

OFFERING = Offering(
    slug="onboarding",
    name=Text("应用接入", "Application onboarding"),
    summary=Text(
        "应用登记、服务绑定、凭证签发与连通检查；按应用×服务计数。",
        "Register an application, bind services, issue credentials, check connections; counted application × service.",
    ),
    category="crypto",
    state="available",
    standards=("Open Service Broker API 2.17",),
    plans=(Plan("onboarding-each", Text("按次", "Each"), Text("个", "binding")),),
    meters=(ONBOARDED,),
    operations=OPERATIONS,
    evidence=evidence,
)

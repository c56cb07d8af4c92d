//! What can be written on the command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use entitlements::Plan;
use ids::{ClientId, GrantId, Id};
use ledger::Region;
use ledger::policy::GRANTED_MAX;
use maas_aws::onboarding::{NAME_CHARS_MAX, is_name};
use serde::Serialize;

use crate::books;
use crate::certify;
use crate::client::{self, NewClient};
use crate::credits::{self, NewGrant};
use crate::home::{self, Move};
use crate::keys;
use crate::stack::Stack;
use crate::target::{DEFAULT_DATA, Stage, Target};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Granted credits last as long as those that a client is made with.
const PERIOD_DAYS: u32 = 30;

/// Leases that are out have ended within two minutes, whatever becomes of their holders.
const DRAIN_S: u32 = 180;

/// Generations end within an hour.
const DRAIN_S_MAX: u32 = 7_200;

/// Credits that last longer than ten years are a slip of the finger.
const DAYS_MAX: u32 = 3_650;

/// Clients, credits, the ledger and signing keys of Memes as a Service.
///
/// Works on the local stack, or with `--stage` on a stage on AWS.
#[derive(Debug, Parser)]
#[command(name = "memes", version)]
struct Arguments {
    /// Answers with one JSON object.
    #[arg(long, global = true)]
    json: bool,
    // Behind the other options: its heading goes on to what follows it.
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
struct Place {
    /// The data folder of the local stack [default: .memes].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A stage on AWS instead of the local stack.
    #[arg(long, global = true, value_enum)]
    stage: Option<Stage>,
    /// The profile of the AWS configuration files; with `--stage`.
    #[arg(long, global = true)]
    profile: Option<String>,
    /// The AWS Region, otherwise the profile's; with `--stage`.
    #[arg(long, global = true)]
    region: Option<String>,
    /// All Regions that the stage is in, with commas between; with `--stage`.
    #[arg(long, global = true, value_name = "REGIONS", value_delimiter = ',', value_parser = region)]
    regions: Vec<Region>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes, shows, limits and revokes clients.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Grants credits.
    #[command(subcommand)]
    Credits(CreditsCommand),
    /// Proves that balances are what their entries come to.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Makes, lists and retires the keys that tokens are signed with; brings in those of manifests.
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Makes a client, and shows its secret this once.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// Its plan: free, pro or scale.
        #[arg(long)]
        plan: Plan,
        /// With Memes AI.
        #[arg(long)]
        ai: bool,
        /// Its first credits, 0 for none; otherwise those of a month of its plan.
        #[arg(long, value_parser = first_credits, allow_negative_numbers = true)]
        credits: Option<u64>,
    },
    /// Shows a client: profile, subscriptions, entitlement, balance and grants.
    Show {
        /// Which.
        #[arg(value_parser = id::<ClientId>)]
        client_id: ClientId,
    },
    /// Sets how often a client may call, in place of its paid plan's limit.
    Limit {
        /// Which.
        #[arg(value_parser = id::<ClientId>)]
        client_id: ClientId,
        /// Calls per second; without a number, those of its plan again.
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        calls_per_second: Option<u32>,
    },
    /// Moves a client's home, where its balance is written, to another Region of the stage. Calls
    /// are refused with 503 for as long as leases are out, half a minute at most in general. A move
    /// that was interrupted goes on when the command is given again.
    MoveHome {
        /// Whose.
        #[arg(value_parser = id::<ClientId>)]
        client_id: ClientId,
        /// Where to.
        #[arg(long, value_name = "REGION", value_parser = region)]
        to: Region,
        /// How long to wait for leases and generations that are out, in seconds; then the move is
        /// given up.
        #[arg(long, value_name = "N", default_value_t = DRAIN_S, value_parser = seconds)]
        deadline: u32,
        /// Gives up a move that was begun and is not carried out.
        #[arg(long)]
        abandon: bool,
    },
    /// Shuts a client out.
    Revoke {
        /// Which.
        #[arg(value_parser = id::<ClientId>)]
        client_id: ClientId,
    },
}

#[derive(Debug, Subcommand)]
enum CreditsCommand {
    /// Grants credits, once per grant id.
    Grant {
        /// To whom.
        #[arg(value_parser = id::<ClientId>)]
        client_id: ClientId,
        /// How many.
        #[arg(value_parser = more_credits, allow_negative_numbers = true)]
        credits: u64,
        /// How long they last.
        #[arg(
            long,
            value_name = "N",
            default_value_t = PERIOD_DAYS,
            value_parser = days,
            allow_negative_numbers = true
        )]
        expires_in_days: u32,
        /// The grant's id: a command that is repeated with it grants once.
        #[arg(long, value_name = "ID", value_parser = id::<GrantId>)]
        grant_id: Option<GrantId>,
    },
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Reads every entry and holds each balance to its own; ends with 1 if one does not add up.
    Verify {
        /// Whose; without one, every client's.
        #[arg(value_parser = id::<ClientId>)]
        client_id: Option<ClientId>,
    },
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Makes a key that signs after two minutes; the first one signs at once.
    Rotate,
    /// Lists the keys and what each is there for.
    List,
    /// Takes a key away that is not needed any more.
    Retire {
        /// Which; see `memes keys list`.
        // A thumbprint may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Also if it signs, or if tokens of it are valid: for a key that is known to others.
        #[arg(long)]
        force: bool,
    },
    /// Brings in the key that manifests of pictures are signed with.
    Certify {
        /// A private key in PEM, and below it its certificate and those that issued it.
        #[arg(required_unless_present = "development", conflicts_with = "development")]
        file: Option<PathBuf>,
        /// Makes a key whose certificate nobody trusts; not for uat and prod.
        #[arg(long)]
        development: bool,
    },
}

/// A command that was written correctly.
#[derive(Debug)]
pub struct Call {
    target: Target,
    json: bool,
    command: Command,
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// The usage error to be shown, or the help that was asked for.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Call, clap::Error> {
    let Arguments { place, json, command } = Arguments::try_parse_from(arguments)?;
    if let Command::Client(ClientCommand::Create { name, .. }) = &command
        && !is_name(name)
    {
        // Not by a value parser: clap would print the name, and its control characters with it.
        return Err(usage(
            ErrorKind::ValueValidation,
            &format!(
                "a client's `--name` has 1 to {NAME_CHARS_MAX} characters, and no control \
                 characters"
            ),
        ));
    }
    Ok(Call { target: place.target()?, json, command })
}

impl Place {
    // Not by clap's `conflicts_with`: it misses two options that stand on different sides of a
    // subcommand's name.
    fn target(self) -> Result<Target, clap::Error> {
        match (self.stage, self.data) {
            (Some(_), Some(_)) => Err(usage(
                ErrorKind::ArgumentConflict,
                "`--data` is for the local stack and `--stage` for AWS; give one of them",
            )),
            (Some(stage), None) => {
                let Self { profile, region, regions, .. } = self;
                Ok(Target::Aws { stage, profile, region, regions })
            }
            (None, _)
                if self.profile.is_some() || self.region.is_some() || !self.regions.is_empty() =>
            {
                Err(usage(
                    ErrorKind::MissingRequiredArgument,
                    "`--profile`, `--region` and `--regions` are for AWS; name the stage with \
                     `--stage`",
                ))
            }
            (None, data) => Ok(Target::Local(data.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)))),
        }
    }
}

fn usage(kind: ErrorKind, message: &str) -> clap::Error {
    Arguments::command().error(kind, message)
}

/// Does what was asked for and writes the answer to `out`.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn run(call: Call, out: &mut impl Write) -> Result<()> {
    let Call { target, json, command } = call;
    let stack = &Stack::connect(target).await?;
    let mut tell = Tell { out, json };
    match command {
        Command::Client(ClientCommand::Create { name, plan, ai, credits }) => {
            tell.answer(&client::create(stack, NewClient { name, plan, ai, credits }).await?)
        }
        Command::Client(ClientCommand::Show { client_id }) => {
            tell.answer(&client::show(stack, client_id).await?)
        }
        Command::Client(ClientCommand::Limit { client_id, calls_per_second }) => {
            tell.answer(&client::limit(stack, client_id, calls_per_second).await?)
        }
        Command::Client(ClientCommand::MoveHome { client_id, to, abandon: true, .. }) => {
            tell.answer(&home::abandon(stack, client_id, &to).await?)
        }
        Command::Client(ClientCommand::MoveHome { client_id, to, deadline, .. }) => {
            let deadline = Duration::from_secs(u64::from(deadline));
            tell.answer(&home::relocate(stack, Move { client: client_id, to, deadline }).await?)
        }
        Command::Client(ClientCommand::Revoke { client_id }) => {
            tell.answer(&client::revoke(stack, client_id).await?)
        }
        Command::Credits(CreditsCommand::Grant {
            client_id,
            credits,
            expires_in_days,
            grant_id,
        }) => {
            let expires_in = DAY.saturating_mul(expires_in_days);
            let new = NewGrant { client: client_id, credits, expires_in, id: grant_id };
            tell.answer(&credits::grant(stack, new).await?)
        }
        Command::Ledger(LedgerCommand::Verify { client_id }) => {
            let verified = books::verify(stack, client_id).await?;
            tell.answer(&verified)?;
            match verified.violations() {
                0 => Ok(()),
                1 => bail!("the books of one client do not balance"),
                several => bail!("the books of {several} clients do not balance"),
            }
        }
        Command::Keys(KeysCommand::Rotate) => tell.answer(&keys::rotate(stack).await?),
        Command::Keys(KeysCommand::List) => tell.answer(&keys::list(stack).await?),
        Command::Keys(KeysCommand::Retire { kid, force }) => {
            tell.answer(&keys::retire(stack, &kid, force).await?)
        }
        Command::Keys(KeysCommand::Certify { file: Some(file), .. }) => {
            tell.answer(&certify::certify(stack, &file).await?)
        }
        Command::Keys(KeysCommand::Certify { file: None, .. }) => {
            tell.answer(&certify::develop(stack).await?)
        }
    }
}

/// Where answers go, and in which form.
struct Tell<'a, W> {
    out: &'a mut W,
    json: bool,
}

impl<W: Write> Tell<'_, W> {
    fn answer(&mut self, answer: &(impl Display + Serialize)) -> Result<()> {
        if self.json {
            writeln!(self.out, "{}", serde_json::to_string(answer)?)?;
        } else {
            write!(self.out, "{answer}")?;
        }
        Ok(self.out.flush()?)
    }
}

fn id<T: Id>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        let prefix = T::PREFIX;
        format!(
            "must be `{prefix}` and 26 characters, such as `{prefix}01J9ZK3V7N8Q4R5S6T7V8W9X0Y`"
        )
    })
}

fn region(text: &str) -> Result<Region, String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(is_name) {
        return Err("must be the name of a Region, such as `eu-central-1`".to_owned());
    }
    Ok(Region::new(text))
}

fn seconds(text: &str) -> Result<u32, String> {
    whole(text, 0, DRAIN_S_MAX)
}

fn first_credits(text: &str) -> Result<u64, String> {
    whole(text, 0, GRANTED_MAX)
}

fn more_credits(text: &str) -> Result<u64, String> {
    whole(text, 1, GRANTED_MAX)
}

fn days(text: &str) -> Result<u32, String> {
    whole(text, 1, DAYS_MAX)
}

fn whole<N: Copy + Display + FromStr + PartialOrd>(
    text: &str,
    min: N,
    max: N,
) -> Result<N, String> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("must be a whole number from {min} to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y";

    fn parsed(line: &str) -> Result<Call, clap::Error> {
        read_all(&line.split(' ').collect::<Vec<_>>())
    }

    fn read_all(words: &[&str]) -> Result<Call, clap::Error> {
        read(["memes"].iter().chain(words).map(OsString::from))
    }

    /// The first line of the error, which ends with the exit code for usage.
    fn refusal(line: &str) -> String {
        first_line(parsed(line))
    }

    fn first_line(outcome: Result<Call, clap::Error>) -> String {
        let error = outcome.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string().lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_place_it_is_the_local_stack_here() {
        let call = parsed("keys list").unwrap();
        assert_eq!(call.target, Target::Local(PathBuf::from(".memes")));
        assert!(!call.json);
        let call = parsed("keys list --data there --json").unwrap();
        assert_eq!(call.target, Target::Local(PathBuf::from("there")));
        assert!(call.json);
    }

    #[test]
    fn the_place_may_stand_anywhere() {
        let aws = Target::Aws {
            stage: Stage::Qa,
            profile: Some("ops".to_owned()),
            region: Some("eu-west-1".to_owned()),
            regions: Vec::new(),
        };
        for line in [
            "--stage qa --profile ops --region eu-west-1 keys list",
            "keys list --stage qa --profile ops --region eu-west-1",
            "--stage qa keys --profile ops list --region eu-west-1",
        ] {
            assert_eq!(parsed(line).unwrap().target, aws, "{line}");
        }
    }

    #[test]
    fn a_place_is_local_or_on_aws() {
        let both = "error: `--data` is for the local stack and `--stage` for AWS; give one of them";
        assert_eq!(refusal("keys list --data x --stage dev"), both);
        assert_eq!(refusal("--data x keys list --stage dev"), both);
        let stray = "error: `--profile`, `--region` and `--regions` are for AWS; name the stage \
                     with `--stage`";
        assert_eq!(refusal("keys list --profile ops"), stray);
        assert_eq!(refusal("keys list --data x --region eu-west-1"), stray);
        assert_eq!(
            parsed("keys list --stage local").unwrap_err().to_string(),
            "error: invalid value 'local' for '--stage <STAGE>'\n  [possible values: dev, qa, uat, \
             prod]\n\nFor more information, try '--help'.\n"
        );
    }

    #[test]
    fn a_client_is_described() {
        let words = ["client", "create", "--name", "Ünïcode & Söhne", "--plan", "pro", "--ai"];
        let Command::Client(ClientCommand::Create { name, plan, ai, credits }) =
            read_all(&words).unwrap().command
        else {
            panic!("another command was read");
        };
        assert_eq!((name.as_str(), plan, ai, credits), ("Ünïcode & Söhne", Plan::Pro, true, None));
        assert!(parsed("client create --name A --plan free --credits 0").is_ok());
    }

    #[test]
    fn what_a_client_cannot_have_is_refused() {
        assert_eq!(
            refusal("client create --name A --plan gold"),
            "error: invalid value 'gold' for '--plan <PLAN>': unknown plan: must be `free`, `pro` \
             or `scale`"
        );
        let name = "error: a client's `--name` has 1 to 100 characters, and no control characters";
        for wrong in ["", " ", "a\nb", "\u{1b}[2J", &"x".repeat(101)] {
            let words = ["client", "create", "--name", wrong, "--plan", "free"];
            assert_eq!(first_line(read_all(&words)), name);
        }
        for wrong in ["-1", "1000000000000001", "1.5", "many"] {
            assert_eq!(
                refusal(&format!("client create --name A --plan free --credits {wrong}")),
                format!(
                    "error: invalid value '{wrong}' for '--credits <CREDITS>': must be a whole \
                     number from 0 to 1000000000000000"
                )
            );
        }
    }

    #[test]
    fn an_id_of_another_form_is_shown_the_right_one() {
        for wrong in ["42", "CL_01J9ZK3V7N8Q4R5S6T7V8W9X0Y", "gen_01J9ZK3V7N8Q4R5S6T7V8W9X0Y"] {
            assert_eq!(
                refusal(&format!("client show {wrong}")),
                format!(
                    "error: invalid value '{wrong}' for '<CLIENT_ID>': must be `cl_` and 26 \
                     characters, such as `cl_01J9ZK3V7N8Q4R5S6T7V8W9X0Y`"
                )
            );
        }
        assert_eq!(
            refusal(&format!("credits grant {CLIENT} 5 --grant-id mine")),
            "error: invalid value 'mine' for '--grant-id <ID>': must be `grn_` and 26 characters, \
             such as `grn_01J9ZK3V7N8Q4R5S6T7V8W9X0Y`"
        );
    }

    #[test]
    fn a_grant_is_of_at_least_one_credit_and_of_a_day() {
        let Command::Credits(CreditsCommand::Grant { credits, expires_in_days, grant_id, .. }) =
            parsed(&format!("credits grant {CLIENT} 5")).unwrap().command
        else {
            panic!("another command was read");
        };
        assert_eq!((credits, expires_in_days, grant_id), (5, 30, None));
        assert_eq!(DAY * expires_in_days, maas_aws::onboarding::PERIOD);
        for wrong in ["0", "-5", "1000000000000001"] {
            assert_eq!(
                refusal(&format!("credits grant {CLIENT} {wrong}")),
                format!(
                    "error: invalid value '{wrong}' for '<CREDITS>': must be a whole number from 1 \
                     to 1000000000000000"
                )
            );
        }
        for wrong in ["0", "3651", "-1"] {
            assert_eq!(
                refusal(&format!("credits grant {CLIENT} 5 --expires-in-days {wrong}")),
                format!(
                    "error: invalid value '{wrong}' for '--expires-in-days <N>': must be a whole \
                     number from 1 to 3650"
                )
            );
        }
    }

    #[test]
    fn a_key_may_begin_with_a_hyphen() {
        for (line, forced) in [
            ("keys retire -abc", false),
            ("keys retire --abc", false),
            ("keys retire -abc --force", true),
            ("keys retire --force --abc", true),
            ("keys retire --json -abc", false),
        ] {
            let Command::Keys(KeysCommand::Retire { kid, force }) = parsed(line).unwrap().command
            else {
                panic!("another command was read");
            };
            assert_eq!((kid.trim_start_matches('-'), force), ("abc", forced), "{line}");
        }
    }
}

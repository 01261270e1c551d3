//! What the commands tell of an ensemble: its leader, its voters, this server's part.

use serde_json::{Map, Value, json};

use super::views::View;
use crate::admin::words::Commands;
use crate::membership::{Member, Members, PeerAddress, Role};
use crate::metrics::quorum::Mode;
use crate::types::ServerId;

/// LeaderCommand.
pub(super) fn leader(commands: &Commands) -> View {
    let quorum = &commands.gauges.quorum;
    let mut out = View::new();
    if commands.facts.ensemble.is_none() || quorum.mode() == Mode::ReadOnly {
        out.insert("error".into(), "server is not initialized".into());
        return out;
    }
    let leader = quorum.leader();
    let host = leader.and_then(|leader| {
        let members = members(commands)?;
        Some(members.get(leader)?.addresses.first()?.host.clone())
    });
    out.insert("is_leader".into(), (quorum.mode() == Mode::Leader).into());
    out.insert("leader_id".into(), leader.map_or(-1, |leader| leader.0).into());
    out.insert("leader_ip".into(), host.unwrap_or_default().into());
    out
}

fn members(commands: &Commands) -> Option<Members> {
    Members::parse(&commands.gauges.quorum.members()).ok()
}

/// VotingViewCommand. A server's clients' address is known of this one, and of those whose line has it.
pub(super) fn voting_view(commands: &Commands) -> View {
    let members = members(commands).filter(|_| commands.facts.ensemble.is_some());
    let mut config = Map::new();
    let me = ServerId(commands.facts.server_id);
    for member in members.iter().flat_map(Members::iter) {
        if member.role == Role::Participant {
            let own = (member.id == me).then(|| client_address(commands));
            config.insert(member.id.0.to_string(), voter(member, own));
        }
    }
    View::from_iter([("current_config".to_owned(), config.into())])
}

fn voter(member: &Member, own: Option<String>) -> Value {
    let addresses =
        |text: fn(&PeerAddress) -> String| -> Value { member.addresses.iter().map(text).collect() };
    let client = own.or_else(|| member.client.as_ref().map(ToString::to_string));
    json!({
        "server_addresses": addresses(PeerAddress::quorum_text),
        "election_addresses": addresses(PeerAddress::election_text),
        "client_address": client.unwrap_or_default(),
        "learner_type": "participant",
    })
}

/// Where this server's clients come to.
fn client_address(commands: &Commands) -> String {
    let own = commands.gauges.quorum.own();
    let line = own.and_then(|own| own.client).map(|client| client.to_string());
    line.unwrap_or_else(|| commands.facts.client_address.clone())
}

/// ZabStateCommand.
pub(super) fn zab_state(commands: &Commands) -> View {
    let quorum = &commands.gauges.quorum;
    let mut out = View::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    let Some(facts) = commands.facts.ensemble.as_ref().filter(|_| quorum.mode() != Mode::ReadOnly)
    else {
        put("voting", false.into());
        put("zabstate", "".into());
        return out;
    };
    let own = quorum.own();
    let addresses = own.as_ref().map_or(&facts.addresses, |own| &own.addresses);
    let me = ServerId(commands.facts.server_id);
    let votes = members(commands).is_some_and(|members| {
        members.is_voter(me) && members.get(me).is_some_and(|line| line.addresses == *addresses)
    });
    let zxid = commands.tree.applied();
    put("myid", me.0.into());
    put("is_leader", (quorum.mode() == Mode::Leader).into());
    put("quorum_address", several(addresses, |address| address.quorum));
    put("election_address", several(addresses, |address| address.election));
    put("client_address", client_address(commands).into());
    put("voting", votes.into());
    put("last_zxid", format!("0x{:x}", zxid.0).into());
    put("zab_epoch", zxid.epoch().0.into());
    put("zab_counter", zxid.counter().into());
    put("zabstate", quorum.phase().into());
    out
}

/// The getters of MultipleAddresses. This server does not try which of its own addresses can be
/// reached: all count as reachable.
fn several(addresses: &[PeerAddress], port: fn(&PeerAddress) -> u16) -> Value {
    let text = |address: &PeerAddress| match address.host.contains(':') {
        true => format!("[{}]:{}", address.host, port(address)),
        false => format!("{}:{}", address.host, port(address)),
    };
    let all: Vec<String> = addresses.iter().map(text).collect();
    let mut ports: Vec<u16> = addresses.iter().map(port).collect();
    ports.sort_unstable();
    ports.dedup();
    let wildcards: Vec<String> = ports.iter().map(|port| format!("0.0.0.0:{port}")).collect();
    let hosts: Vec<&str> = addresses.iter().map(|address| address.host.as_str()).collect();
    let first = all.first().cloned();
    json!({
        "empty": all.is_empty(),
        "all_addresses": all,
        "wildcard_addresses": wildcards,
        "all_ports": ports,
        "all_host_strings": hosts,
        "reachable_address": first,
        "all_reachable_addresses": all,
        "all_reachable_addresses_or_all": all,
        "reachable_or_one": first,
        "one": first,
    })
}

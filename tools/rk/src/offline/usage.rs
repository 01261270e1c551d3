//! How the commands on files are used (org.apache.commons.cli.HelpFormatter).

use crate::options::Opt;

/// All of them.
pub(crate) const OVERVIEW: &str = "\
rk log dump [-dhrvyc] FILE [-z ZXID]    print a transaction log
rk log recover [-vy] FILE               copy it with its checksums made right, to FILE.fixed
rk log chop -z ZXID FILE                copy it up to a transaction, to FILE.chopped<zxid>
rk log verify FILE...                   read logs to their ends
rk snapshot format [-d|-json] FILE      print a snapshot
rk snapshot json FILE                   the same for ncdu
rk snapshot compare -l LEFT -r RIGHT -b BYTES -n NODES [-d] [-i]
rk snapshot summary FILE PATH DEPTH     nodes and bytes beneath each node
rk snapshot verify FILE...              read snapshots to their ends
rk verify DATADIR [DATALOGDIR]          what a start would find: all of a server's files
rk convert FILE TARGET                  a snapshot as TARGET's name says: plain, .gz or .snappy
rk purge DATALOGDIR [DATADIR] -n COUNT  remove what the newest COUNT snapshots do not need
Behind the first word --max-buffer N stands for the servers' jute.maxbuffer.";

/// HelpFormatter.printHelp, where every line is short enough. `values`: the name of each option's value.
pub(crate) fn help(syntax: &str, options: &[Opt], values: &[(&str, &str)]) -> String {
    let shown = |opt: &Opt| {
        let long = opt.long.map_or(String::new(), |long| format!(",--{long}"));
        let value = values.iter().find(|(name, _)| *name == opt.name).map_or("arg", |(_, v)| v);
        let value = if opt.takes_value { format!(" <{value}>") } else { String::new() };
        format!(" -{}{long}{value}", opt.name)
    };
    let width = options.iter().map(|opt| shown(opt).len()).max().unwrap_or(0);
    let mut sorted: Vec<&Opt> = options.iter().collect();
    sorted.sort_by_key(|opt| opt.name.to_lowercase());
    let lines = sorted.iter().map(|opt| format!("\n{:<width$}   {}", shown(opt), opt.about));
    format!("usage: {syntax}{}", lines.collect::<String>())
}

//! A request and an answer through the kernel's own network: the least a client can see.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::{CoreId, get_core_ids, set_for_current};
use serde::Serialize;

use super::cpu::Cpu;
use super::middle_and_tail;
use crate::fault::Fault;

const TRIPS: usize = 5000;
const LEN: usize = 64;

#[derive(Serialize)]
pub struct Loopback {
    pub trips: Vec<Trip>,
}

#[derive(Serialize)]
pub struct Trip {
    pub way: &'static str,
    pub p50_us: f64,
    pub p99_us: f64,
}

pub fn examine(cpu: &Cpu) -> Result<Loopback, Fault> {
    let cores = get_core_ids().unwrap_or_default();
    let mut trips = Vec::new();
    if let Some(first) = cores.first() {
        trips.push(measure("both on one CPU", *first, *first)?);
    }
    if let (Some(first), Some(last)) = (cores.first(), cores.last())
        && cpu.count > 1
    {
        trips.push(measure("on two CPUs", *first, *last)?);
    }
    Ok(Loopback { trips })
}

fn measure(way: &'static str, client: CoreId, server: CoreId) -> Result<Trip, Fault> {
    let asks = || -> std::io::Result<Vec<Duration>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let echo = thread::spawn(move || -> std::io::Result<()> {
            set_for_current(server);
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let mut buffer = [0; LEN];
            while stream.read_exact(&mut buffer).is_ok() {
                stream.write_all(&buffer)?;
            }
            Ok(())
        });
        let ask = thread::spawn(move || -> std::io::Result<Vec<Duration>> {
            set_for_current(client);
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            let mut buffer = [7; LEN];
            let mut times = Vec::with_capacity(TRIPS);
            for _ in 0..TRIPS {
                let began = Instant::now();
                stream.write_all(&buffer)?;
                stream.read_exact(&mut buffer)?;
                times.push(began.elapsed());
            }
            Ok(times)
        });
        let times = ask.join().map_err(|_| std::io::Error::other("the asking thread ended"))??;
        let _ = echo.join();
        Ok(times)
    };
    let mut times = asks().map_err(Fault::io("loopback round trip"))?;
    let (p50_us, p99_us) = middle_and_tail(&mut times);
    Ok(Trip { way, p50_us, p99_us })
}

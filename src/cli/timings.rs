//! `--timings`: where the time of a command went.
//!
//! The library says by spans of `tracing` what it is at, and by events how much there is of something. This sums them up.

use std::fmt::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// How often the memory is looked at.
const PERIOD: Duration = Duration::from_millis(5);

/// A moment, by the clock and by the processor time of the whole process (`None` where the system does not tell).
#[derive(Clone, Copy)]
struct Moment(Instant, Option<Duration>);

impl Moment {
    fn now() -> Moment {
        Moment(Instant::now(), processor())
    }

    fn elapsed(self) -> (Duration, Option<Duration>) {
        (self.0.elapsed(), processor().zip(self.1).map(|(now, then)| now.saturating_sub(then)))
    }
}

/// A stage inside another one, or at the top.
struct Stage {
    name: &'static str,
    within: Option<usize>,
    times: usize,
    wall: Duration,
    processor: Duration,
}

#[derive(Default)]
struct Sums {
    stages: Vec<Stage>,
    /// By name, as it was told last.
    counts: Vec<(&'static str, u64)>,
}

/// Sums up spans and events.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Sums>>);

/// What a span carries: its stage and when it was made, which is when it is entered.
struct Open(usize, Moment);

impl Recorder {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let within = span.parent().and_then(|p| p.extensions().get::<Open>().map(|open| open.0));
        let name = attributes.metadata().name();
        let mut sums = self.sums();
        let known = sums.stages.iter().position(|s| s.name == name && s.within == within);
        let stage = known.unwrap_or(sums.stages.len());
        if known.is_none() {
            sums.stages.push(Stage { name, within, times: 0, wall: Duration::ZERO, processor: Duration::ZERO });
        }
        span.extensions_mut().insert(Open(stage, Moment::now()));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let Some((stage, since)) = span.extensions().get::<Open>().map(|o| (o.0, o.1)) else { return };
        let (wall, processor) = since.elapsed();
        let mut sums = self.sums();
        let Some(stage) = sums.stages.get_mut(stage) else { return };
        stage.times += 1;
        stage.wall += wall;
        stage.processor += processor.unwrap_or_default();
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut *self.sums());
    }
}

impl Visit for Sums {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match self.counts.iter_mut().find(|(name, _)| *name == field.name()) {
            Some(known) => known.1 = value,
            None => self.counts.push((field.name(), value)),
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// What was measured since it began.
pub struct Timings {
    recorder: Recorder,
    began: Moment,
    watch: Option<(Sender<()>, JoinHandle<Option<u64>>)>,
}

impl Timings {
    /// Begins.
    pub fn begin() -> Timings {
        let (end, ended) = channel::<()>();
        let look = move || {
            let mut peak = anonymous();
            while peak.is_some() && ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(anonymous());
            }
            peak.max(anonymous())
        };
        let watch = std::thread::Builder::new().spawn(look).ok().map(|thread| (end, thread));
        Timings { recorder: Recorder::default(), began: Moment::now(), watch }
    }

    /// Runs something that is measured.
    pub fn of<T>(&self, run: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&Dispatch::new(Registry::default().with(self.recorder.clone())), run)
    }

    /// Ends, and shows what was measured.
    pub fn end(self) -> String {
        let (wall, processor) = self.began.elapsed();
        let peak = self.watch.and_then(|(end, thread)| {
            drop(end);
            thread.join().ok().flatten()
        });
        let sums = self.recorder.sums();
        let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        let of = |time: Duration| processor.map_or_else(|| "-".to_owned(), |_| ms(time));
        let mut text = format!("{:<24}{:>7}{:>12}{:>12}\n", "stage", "times", "wall ms", "cpu ms");
        let mut line = |name: &str, times: &str, wall: Duration, processor: Duration| {
            let _ = writeln!(text, "{name:<24}{times:>7}{:>12}{:>12}", ms(wall), of(processor));
        };
        let mut todo: Vec<(usize, usize)> = inside(&sums.stages, None, 0);
        let (mut known, mut busy) = (Duration::ZERO, Duration::ZERO);
        while let Some((at, depth)) = todo.pop() {
            let stage = &sums.stages[at];
            if depth == 0 {
                known += stage.wall;
                busy += stage.processor;
            }
            line(&format!("{:1$}{2}", "", 2 * depth, stage.name), &stage.times.to_string(), stage.wall, stage.processor);
            todo.extend(inside(&sums.stages, Some(at), depth + 1));
        }
        let processor = processor.unwrap_or_default();
        line("other", "", wall.saturating_sub(known), processor.saturating_sub(busy));
        line("total", "", wall, processor);
        if let Some(peak) = peak {
            let _ = writeln!(text, "peak of anonymous memory: {:.1} MB", peak as f64 / 1e6);
        }
        if !sums.counts.is_empty() {
            let list: Vec<String> = sums.counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
            let _ = writeln!(text, "{}", list.join(", "));
        }
        text
    }
}

/// The stages within one, the last first.
fn inside(stages: &[Stage], within: Option<usize>, depth: usize) -> Vec<(usize, usize)> {
    (0..stages.len()).rev().filter(|k| stages[*k].within == within).map(|k| (k, depth)).collect()
}

/// The processor time of all threads until now.
#[cfg(unix)]
fn processor() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ProcessCPUTime).try_into().ok()
}

/// The processor time of all threads until now.
#[cfg(not(unix))]
fn processor() -> Option<Duration> {
    None
}

/// Bytes of memory that belong to no file, where Linux tells.
fn anonymous() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.trim().strip_suffix(" kB")?;
    Some(kib.trim().parse::<u64>().ok()? << 10)
}

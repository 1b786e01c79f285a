//! The page in Chromium. The screenshots are in `target/page`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use web_tests::{Browser, PATIENCE, Run, Tab};

const STAGED: &str = env!("CARGO_BIN_EXE_staged");

const IS_READY: &str = "document.body?.dataset.ready === 'true'";

fn page_of(run: &Run, width: u32, height: u32) -> Tab {
    let mut tab = Browser::start().tab(width, height);
    tab.open(&format!("http://{}/", run.address));
    tab.wait(IS_READY);
    tab
}

/// The text of a tile: its value, and the note below it.
fn tile(tab: &mut Tab, name: &str) -> (String, String) {
    let part =
        |part: &str| format!("document.querySelector('.tile[title=\"{name}\"] {part}').innerText");
    let texts = ["strong", "small"].map(|it| tab.value(&part(it)));
    let [value, note] = texts.map(|text| text.as_str().unwrap_or_default().to_owned());
    (value, note)
}

/// A number as it is shown with separators or with a letter.
fn number(text: &str) -> f64 {
    let text = text
        .split([' ', '/'])
        .next()
        .unwrap_or_default()
        .replace(',', "");
    let (digits, unit) = match text.chars().last() {
        Some('k') => (&text[..text.len() - 1], 1e3),
        Some('M') => (&text[..text.len() - 1], 1e6),
        _ => (text.as_str(), 1.0),
    };
    let digits: f64 = digits
        .parse()
        .unwrap_or_else(|_| panic!("`{text}` is no number"));
    digits * unit
}

fn sum(step: &Value, field: &str) -> u64 {
    let workers = step["workers"].as_array().expect("it is a list");
    workers.iter().filter_map(|it| it[field].as_u64()).sum()
}

/// The items that the sources have given so far.
fn items(run: &Run) -> u64 {
    let report = run.report();
    let steps = report["steps"].as_array().expect("it is a list");
    let sources = steps.iter().filter(|step| step["kind"] == "source");
    sources.map(|step| sum(step, "items_out")).sum()
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn the_page_is_there_within_a_second_of_the_start() {
    let mut tab = Browser::start().tab(1280, 800);
    // What else the machine does may delay one start, but not each.
    let times: Vec<Duration> = (0..3)
        .map(|_| {
            let began = Instant::now();
            let run = Run::start(STAGED, "counted");
            tab.open(&format!("http://{}/", run.address));
            tab.wait(&format!(
                "location.host === '{}' && {IS_READY}",
                run.address
            ));
            tab.wait("document.querySelectorAll('.step').length === 9");
            began.elapsed()
        })
        .collect();
    let least = times.iter().min().expect("there are three");
    assert!(*least < Duration::from_secs(1), "{times:?}");
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn the_page_shows_the_numbers_of_the_report() {
    let run = Run::start(STAGED, "counted --items 15000 --rate 50000 -w 2");
    let mut tab = page_of(&run, 1280, 800);
    tab.wait_for(
        "document.querySelector('.tile[title=Items] small').innerText",
        "30,000 in all",
    );
    // The errors are counted after the items, and the lag once a second.
    for (name, value, note) in [
        ("Errors", "300", "300 skipped"),
        ("Source lag", "0", "items"),
    ] {
        let tile = format!(".tile[title=\"{name}\"]");
        tab.wait_for(
            &format!("document.querySelector('{tile} strong').innerText"),
            value,
        );
        tab.wait_for(
            &format!("document.querySelector('{tile} small').innerText"),
            note,
        );
    }
    assert_eq!(tile(&mut tab, "Late").0, "0");
    tab.click("#tab-steps");
    // All have arrived at the end of the flow.
    let cell = |step: &str, at: usize| {
        format!(
            "[...document.querySelectorAll('#view tbody tr')].find(row => row.cells[0].innerText === '{step}')?.cells[{at}].innerText"
        )
    };
    tab.wait_for(&cell("out", 4), "15,000");
    for (step, taken, given) in [
        ("numbers", "", "30,000"),
        ("parsed", "30,000", "30,000"),
        ("skipped", "300", ""),
        ("timed", "29,700", "29,700"),
        ("even", "29,700", "15,000"),
        ("sums", "15,000", "15,000"),
        ("shaped", "15,000", "15,000"),
    ] {
        tab.wait_for(&cell(step, 4), taken);
        tab.wait_for(&cell(step, 5), given);
    }
    // And they are those of the report, step by step.
    let report = run.report();
    for step in report["steps"].as_array().expect("it is a list") {
        let id = step["step"].as_str().expect("it is a text");
        let name = id.trim_start_matches("counted.");
        for (at, field) in [(4, "items_in"), (5, "items_out")] {
            let shown = tab.value(&cell(name, at));
            let shown = shown
                .as_str()
                .unwrap_or_else(|| panic!("{name} is not in the table"));
            let shown = if shown.is_empty() {
                0
            } else {
                number(shown) as u64
            };
            assert_eq!(shown, sum(step, field), "{name} {field}");
        }
    }
    // The panel shows where the step is, and what it is made of.
    tab.click("#view tbody tr:nth-child(7) button");
    tab.wait("!document.querySelector('#panel').hidden");
    let panel = tab.text("#panel");
    for text in [
        "sums",
        "stateful_map",
        "web-tests/src/staged.rs:",
        "Keys in memory",
        "Watermark",
        "Queues before it",
    ] {
        assert!(panel.contains(text), "{text} is not in {panel}");
    }
    let address = tab.value("location.hash");
    assert_eq!(address, "#view=steps&step=counted.sums");
    // What came before the page was opened is there too.
    let until = Instant::now() + PATIENCE;
    let came = || {
        let course: Value = serde_json::from_str(&run.get("/api/v1/history?step=counted.sums"))
            .expect("it is JSON");
        let rates = course["items_in"].as_array().expect("it is a list").iter();
        rates.filter_map(Value::as_f64).sum::<f64>()
    };
    while came() == 0.0 {
        assert!(Instant::now() < until, "nothing is kept");
        thread::sleep(Duration::from_millis(100));
    }
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn the_page_follows_a_run_for_a_minute() {
    let run = Run::start(STAGED, "counted --rate 1000 -s 1 -w 2");
    let mut tab = page_of(&run, 1280, 800);
    let mut last = 0.0;
    for round in 0..12 {
        thread::sleep(Duration::from_secs(5));
        let before = items(&run);
        let (rate, note) = tile(&mut tab, "Items");
        let after = items(&run);
        let shown = number(&note);
        // What is shown is at most three seconds old.
        let oldest = before.saturating_sub(6000) as f64;
        assert!(
            shown > last && shown >= oldest && shown <= after as f64,
            "{before} {shown} {after}"
        );
        let rate = number(&rate);
        assert!(
            (1700.0..2300.0).contains(&rate),
            "{rate} items a second in round {round}"
        );
        last = shown;
        // Nothing stalls, so nothing is said to.
        let stalls = run.report()["stalls"].clone();
        assert_eq!(stalls.as_array().map(Vec::len), Some(0), "{stalls}");
    }
    tab.click("#tab-snapshots");
    tab.wait("document.querySelectorAll('#view tbody tr').length > 10");
    tab.click("#tab-workers");
    tab.wait("document.querySelectorAll('#view tbody tr').length === 2");
    tab.click("#tab-sources");
    tab.wait(
        "[...document.querySelectorAll('#view tbody th')].some(it => it.innerText === 'south')",
    );
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn the_hottest_keys_are_those_with_most_items() {
    let run = Run::start(STAGED, "skewed --rate 20000 -w 2");
    let mut tab = page_of(&run, 1280, 800);
    tab.click(".step[data-step='skewed.sums']");
    // Half of the numbers have one key, a quarter the next, and so on.
    let keys = "[...document.querySelectorAll('.hot tbody tr')].map(row => row.cells[0].innerText)";
    tab.wait(&format!("JSON.stringify({keys}.slice(0, 4)) === JSON.stringify(['\"key 0\"', '\"key 1\"', '\"key 2\"', '\"key 3\"'])"));
    let shares = "[...document.querySelectorAll('.hot tbody tr')].map(row => parseFloat(row.cells[1].innerText))";
    tab.wait(&format!(
        "(([a, b]) => a > 46 && a < 54 && b > 22 && b < 28)({shares})"
    ));
    let counted = || run.get("/api/v1/keys?step=skewed.sums");
    let first: Value = serde_json::from_str(&counted()).expect("it is JSON");
    assert!(first["items"].as_u64() > Some(0), "{first}");
    // When nobody looks any more, nothing is counted, and what was counted is forgotten.
    tab.press("Escape");
    thread::sleep(Duration::from_secs(13));
    let again: Value = serde_json::from_str(&counted()).expect("it is JSON");
    assert_eq!(again["items"], 0, "{again}");
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn processes_of_one_machine_are_linked() {
    let (run, second) = Run::pair(STAGED, "counted --rate 1000 -p 2");
    let mut tab = page_of(&run, 1280, 800);
    tab.wait("document.querySelectorAll('#processes a').length === 2");
    assert_eq!(tab.text("#processes [aria-current]"), "process 0");
    // Process 0 shows the workers of both, with their share.
    assert!(tab.text("#where").contains("2 workers · 2 processes"));
    tab.click("#tab-workers");
    let rows = "[...document.querySelectorAll('#view section:not([hidden])')].map(it => it.querySelectorAll('tbody tr').length)";
    tab.wait(&format!("JSON.stringify({rows}) === '[2,2]'"));
    let shares = "[...document.querySelectorAll('#view section:nth-child(2) tbody tr')].map(row => parseFloat(row.cells[3].innerText))";
    tab.wait(&format!(
        "(([a, b]) => a > 20 && b > 20 && a + b > 95 && a + b < 105)({shares})"
    ));
    assert_eq!(tab.value("document.querySelector('#absent').hidden"), true);
    tab.screenshot("9-cluster");
    tab.click("#processes a:nth-child(2)");
    tab.wait(&format!("location.port === '{second}' && {IS_READY}"));
    tab.wait("document.querySelector('#where').innerText.includes('process 1, one of 2')");
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn items_are_shown_only_to_those_who_ask() {
    let run = Run::start(STAGED, "counted --rate 1000 -w 2");
    let mut tab = page_of(&run, 1280, 800);
    // The program does not allow it for each step.
    tab.click(".step[data-step='counted.even']");
    tab.wait("document.querySelector('.items').innerText.includes('does not allow')");
    assert_eq!(tab.value("document.querySelector('.switch').hidden"), true);
    tab.click(".step[data-step='counted.sums']");
    tab.wait("!document.querySelector('.switch').hidden");
    assert_eq!(tab.value("document.querySelectorAll('.tail li').length"), 0);
    tab.click(".switch");
    tab.wait("document.querySelectorAll('.tail li').length > 10");
    let item = tab.text(".tail li code");
    assert!(
        item.starts_with("(\"rest ") && item.ends_with(')'),
        "{item}"
    );
    // And no longer than they look.
    tab.click(".switch");
    tab.wait("document.querySelectorAll('.tail li').length === 0");
    thread::sleep(Duration::from_secs(13));
    let tail: Value =
        serde_json::from_str(&run.get("/api/v1/tail?step=counted.sums")).expect("it is JSON");
    assert_eq!(tail["items"], serde_json::json!([]));
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn errors_are_shown_with_step_and_time() {
    let run = Run::start(STAGED, "counted --rate 1000 -w 2");
    let mut tab = page_of(&run, 1280, 800);
    tab.click("#tab-errors");
    let newest = "[...document.querySelectorAll('#view section:nth-child(2) tbody tr')].map(it => it.innerText)";
    tab.wait(&format!("({newest}).length > 2"));
    let rows = tab.value(newest);
    let row = rows[0].as_str().expect("it is a text");
    for text in [" UTC", "parsed", "99 is the last of a hundred"] {
        assert!(row.contains(text), "{text} is not in {row}");
    }
    let step = tab.text("#view section:nth-child(1) tbody tr");
    assert!(step.starts_with("parsed"), "{step}");
    tab.screenshot("8-errors");
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn the_page_survives_a_restart_of_the_flow() {
    let run = Run::start(STAGED, "counted --rate 5000");
    let mut tab = page_of(&run, 1280, 800);
    tab.wait("Number(document.querySelector('.tile[title=Items] small').innerText.replaceAll(/\\D/g, '')) > 20000");
    let address = run.kill();
    tab.wait("!document.querySelector('#lost').hidden");
    assert_eq!(tab.text("#state"), "no answer");
    // The last numbers stay.
    assert!(number(&tile(&mut tab, "Items").1) > 20_000.0);

    let run = Run::at(STAGED, &address, "stalled --rate 100 --items 1000");
    tab.wait("document.querySelector('#lost').hidden && document.body.dataset.runs === '2'");
    assert_eq!(tab.text("#state"), "running");
    tab.wait_for(
        "document.querySelector('.tile[title=Items] small').innerText",
        "2,000 in all",
    );
    assert_eq!(items(&run), 2000);
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn a_token_is_asked_for_and_stays_out_of_the_address() {
    let run = Run::start(STAGED, "counted --web-token 0123456789abcdef");
    let mut tab = Browser::start().tab(1280, 800);
    let address = format!("http://{}/", run.address);
    tab.open(&address);
    tab.wait("document.querySelector('#login')?.open === true");
    assert_eq!(tab.text("#flow"), "…");
    let enter = |token: &str| {
        format!(
            "document.querySelector('#token').value = '{token}'; document.querySelector('#login-form').requestSubmit()"
        )
    };
    tab.value(&enter("not-the-token-at-all"));
    tab.wait("document.querySelector('#login').open && document.querySelector('#login-fault').innerText !== ''");
    tab.value(&enter("0123456789abcdef"));
    tab.wait(IS_READY);
    assert_eq!(tab.text("#flow"), "counted");

    let mut tab = Browser::start().tab(1280, 800);
    tab.open(&format!("{address}#token=0123456789abcdef&view=workers"));
    tab.wait(IS_READY);
    assert_eq!(tab.value("location.hash"), "#view=workers");
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn all_of_it_can_be_reached_by_keys() {
    let run = Run::start(STAGED, "counted");
    let mut tab = page_of(&run, 1280, 800);
    let focus = "document.activeElement.id || document.activeElement.dataset.step || document.activeElement.className";
    tab.press("Tab");
    assert_eq!(tab.value(focus), "skip");
    tab.press("Tab");
    assert_eq!(tab.value(focus), "tab-graph");
    tab.press("ArrowRight");
    assert_eq!(tab.value(focus), "tab-steps");
    tab.press("ArrowLeft");
    tab.press("Tab");
    assert_eq!(tab.value(focus), "find");
    tab.press("Tab");
    assert_eq!(tab.value(focus), "view");
    tab.press("Tab");
    assert_eq!(tab.value(focus), "counted.numbers");
    tab.press("Enter");
    tab.wait("!document.querySelector('#panel').hidden");
    assert_eq!(tab.text("#panel h2"), "numbers");
    tab.press("Escape");
    tab.wait("document.querySelector('#panel').hidden");
    assert_eq!(tab.value(focus), "counted.numbers");
    // Every control has a name.
    let nameless = "[...document.querySelectorAll('button, input, [role=region]')].filter(it => \
        !(it.innerText?.trim() || it.ariaLabel || it.labels?.length)).map(it => it.outerHTML)";
    assert_eq!(tab.value(nameless), serde_json::json!([]));
    tab.is_well();
}

/// Whether all of the page fits into the width of the window.
const FITS: &str = "document.documentElement.scrollWidth <= innerWidth";

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn a_stall_is_shown_with_its_cause() {
    let run = Run::start(
        STAGED,
        "stalled --rate 200000 --buffer-memory 256KiB -s 1 -w 2",
    );
    let mut tab = page_of(&run, 1360, 860);
    tab.wait("[...document.querySelectorAll('.stall')].some(it => it.innerText.includes('`counted.shaped`'))");
    tab.wait(
        "document.querySelector('.step[data-step=\"counted.shaped\"]').dataset.load === 'high'",
    );
    tab.wait("[...document.querySelectorAll('.flow')].some(it => it.dataset.level === 'high')");
    // All stalls of the report are shown, with their causes.
    tab.wait(
        "fetch('/api/v1/report').then(it => it.json()).then(({ stalls }) => stalls.length > 0 && \
         stalls.every(it => document.querySelector('#stalls').innerText.includes(it.cause)))",
    );
    tab.screenshot("1-stalled-light");
    tab.colours("dark");
    tab.click(".step[data-step='counted.sums']");
    tab.wait("document.querySelector('#panel .trace').getAttribute('d').length > 40");
    tab.screenshot("2-stalled-dark-with-a-step");
    tab.press("Escape");
    tab.colours("light");
    tab.resize(390, 844);
    tab.wait(FITS);
    tab.screenshot("3-stalled-phone");
    tab.value("document.querySelector('.view').scrollIntoView()");
    tab.screenshot("4-stalled-phone-graph");
    tab.is_well();
}

#[test]
#[ignore = "needs Chromium; see .ci/browser"]
fn two_hundred_steps_are_usable_and_cost_under_a_hundredth_of_a_core() {
    let run = Run::start(STAGED, "wide --rate 100 -w 2");
    let mut tab = page_of(&run, 1360, 860);
    tab.wait("document.querySelectorAll('.step').length === 200");
    tab.wait(
        "[...document.querySelectorAll('.speed')].every(it => /[1-9].*\\/s/.test(it.innerText))",
    );
    // The server has a thread of its own, which does all that is done for the page.
    let used = || run.processor_seconds("bytewax-server");
    let before = used();
    thread::sleep(Duration::from_secs(15));
    let share = (used() - before) / 15.0;
    println!("the page costs {share:.4} of a core");
    assert!(share < 0.01, "{share} of a core");
    // All of them are in sight, and one is found by its name.
    tab.wait(FITS);
    tab.screenshot("5-wide");
    tab.value("const find = document.querySelector('#find'); find.value = 'line_7_step_11'; find.dispatchEvent(new Event('input')); \
               find.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }))");
    tab.wait("document.querySelector('#panel h2')?.innerText === 'line_7_step_11'");
    tab.screenshot("6-wide-found");
    tab.click("#panel .close");
    tab.resize(390, 844);
    tab.wait(FITS);
    tab.screenshot("7-wide-phone");
    tab.is_well();
}

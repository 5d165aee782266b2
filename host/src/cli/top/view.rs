//! How the live screen of `forebay top` looks.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, RenderDirection, Row, Sparkline, Table, Wrap};

use super::live::Screen;
use super::sample::{Rates, Upstream};
use super::text;

/// Columns from which figures stand beside each other and the table shows all its columns.
const WIDE: u16 = 66;

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let area = frame.area();
    let wide = area.width >= WIDE;
    let figures = if wide { 5 } else { 11 };
    let failure = if screen.failure.is_some() { 2 } else { 0 };
    // Without room for everything, the graph goes first.
    let rest = 1 + failure + figures + 5 + 1;
    let graph = if area.height < rest + 5 { 0 } else { 5 };
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(failure),
        Constraint::Length(figures),
        Constraint::Length(graph),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [title, problem, figures, graph, upstreams, foot] = rows.areas(area);
    let name = Span::from("forebay top ").bold();
    let heading = Line::from(vec![name, Span::from(screen.gateway.as_str())]);
    frame.render_widget(Paragraph::new(heading), title);
    if let Some(why) = &screen.failure {
        let why = Paragraph::new(why.as_str().red()).wrap(Wrap { trim: true });
        frame.render_widget(why, problem);
    }
    match &screen.rates {
        Some(rates) => {
            numbers(frame, figures, rates);
            history(frame, graph, screen);
        }
        None => frame.render_widget(Paragraph::new("waiting for the first interval"), figures),
    }
    let known = screen.rates.as_ref().map(|rates| &rates.upstreams[..]);
    let table = table(known.unwrap_or_default(), wide);
    frame.render_stateful_widget(table, upstreams, &mut screen.selected);
    let keys = "q quit   up and down select an upstream";
    frame.render_widget(Paragraph::new(keys.dim()), foot);
}

/// Three blocks of figures beside each other, or one where there is no room for three.
fn numbers(frame: &mut Frame<'_>, area: Rect, rates: &Rates) {
    let hit_rate = text::percent(rates.hit_rate);
    let blocks = [
        (
            "Requests",
            [
                format!("{:>9.1} requests/s", rates.requests_per_second),
                format!("{:>9.1} failed/s", rates.failed_per_second),
                format!("{:>9} in flight", rates.in_flight),
            ],
        ),
        (
            "Cache and tokens",
            [
                format!("{hit_rate:>9} hit rate"),
                format!("{:>9.0} tokens/s in", rates.input_tokens_per_second),
                format!("{:>9.0} tokens/s out", rates.output_tokens_per_second),
            ],
        ),
        (
            "Spend",
            [
                format!("{:>9.2} $/hour", rates.usd_per_hour),
                format!("{:>9.2} $ spent", rates.usd),
                format!("{:>9.2} $ saved", rates.saved_usd),
            ],
        ),
    ];
    if area.width < WIDE {
        let lines = blocks.into_iter().flat_map(|(_, lines)| lines);
        let lines = lines.map(Line::from).collect::<Vec<_>>();
        let block = Block::bordered().title("Requests, cache, tokens, spend");
        frame.render_widget(Paragraph::new(lines).block(block), area);
        return;
    }
    let columns = Layout::horizontal([Constraint::Fill(1); 3]).areas::<3>(area);
    for ((title, lines), column) in blocks.into_iter().zip(columns) {
        let lines = lines.into_iter().map(Line::from).collect::<Vec<_>>();
        let block = Block::bordered().title(title);
        frame.render_widget(Paragraph::new(lines).block(block), column);
    }
}

fn history(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    // Tenths, since a graph takes whole numbers; a rate is never negative.
    let tenths = screen.history.iter().map(|rate| (rate * 10.0) as u64);
    let graph = Sparkline::default()
        .block(Block::bordered().title("Requests/s, newest at the right"))
        .direction(RenderDirection::RightToLeft)
        .data(tenths.collect::<Vec<_>>());
    frame.render_widget(graph, area);
}

/// The upstreams. On a narrow terminal: name, health and requests in flight.
fn table(upstreams: &[Upstream], wide: bool) -> Table<'static> {
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(8),
    ];
    let shown = move |column: &usize| wide || [0, 1, 3].contains(column);
    let columns = move || (0..widths.len()).filter(shown);
    let rows = upstreams.iter().map(move |upstream| {
        let health = text::health(upstream);
        let colour = match health {
            "up" => Color::Green,
            "down" => Color::Red,
            _ => Color::Yellow,
        };
        let mut cells: Vec<Cell<'_>> = text::row(upstream).into_iter().map(Cell::from).collect();
        cells[1] = Cell::from(health).style(Style::new().fg(colour));
        Row::new(
            columns()
                .map(|column| std::mem::take(&mut cells[column]))
                .collect::<Vec<_>>(),
        )
    });
    let headings = Row::new(columns().map(|column| text::HEADINGS[column]));
    Table::new(rows, columns().map(|column| widths[column]))
        .header(headings.style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::bordered().title("Upstreams"))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::super::text::tests::rates;
    use super::*;

    /// What is on a terminal of that size, line by line.
    fn lines(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, screen)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y: u16| {
            (0..width)
                .map(move |x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..height).map(row).collect()
    }

    fn screen() -> Screen {
        Screen {
            gateway: "127.0.0.1:8081".to_owned(),
            ..Screen::default()
        }
    }

    #[test]
    fn it_shows_load_hits_money_and_health() {
        let mut screen = screen();
        assert!(lines(&mut screen, 80, 24)[1].contains("waiting"));
        screen.take(Ok(rates()));
        let shown = lines(&mut screen, 80, 24).join("\n");
        for text in [
            "forebay top 127.0.0.1:8081",
            "12.3 requests/s",
            "43.2 % hit rate",
            "250 tokens/s out",
            "1.50 $/hour",
            "eu-1",
            "partly up",
            "down",
            "0/2",
            "q quit",
        ] {
            assert!(shown.contains(text), "{text}\n{shown}");
        }
    }

    #[test]
    fn a_gateway_that_is_gone_is_reported_beside_the_last_figures() {
        let mut screen = screen();
        screen.take(Ok(rates()));
        screen.take(Err("no gateway answers at 127.0.0.1:8081".to_owned()));
        let shown = lines(&mut screen, 100, 24).join("\n");
        assert!(shown.contains("no gateway answers") && shown.contains("12.3 requests/s"));
        screen.take(Ok(rates()));
        assert!(!lines(&mut screen, 100, 24)[0].contains("no gateway"));
    }

    #[test]
    fn upstreams_that_do_not_fit_can_be_reached() {
        let (mut screen, mut rates) = (screen(), rates());
        let one = rates.upstreams[0].clone();
        rates.upstreams = (0..50)
            .map(|n| Upstream {
                name: format!("upstream-{n:02}"),
                ..one.clone()
            })
            .collect();
        screen.take(Ok(rates));
        assert!(
            !lines(&mut screen, 80, 24)
                .join("\n")
                .contains("upstream-40")
        );
        for _ in 0..41 {
            screen.press(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
        }
        assert!(
            lines(&mut screen, 80, 24)
                .join("\n")
                .contains("upstream-40")
        );
    }

    #[test]
    fn a_terminal_of_forty_columns_shows_every_figure_and_every_name_whole() {
        let mut screen = screen();
        screen.take(Ok(rates()));
        let narrow = lines(&mut screen, 40, 24).join("\n");
        for text in [
            "12.3 requests/s",
            "43.2 % hit rate",
            "250 tokens/s out",
            "3.25 $ saved",
            "eu-1",
            "us-1",
            "partly up",
            "IN FLIGHT",
            "q quit",
        ] {
            assert!(narrow.contains(text), "{text}\n{narrow}");
        }
        screen.take(Err(
            "no gateway answers at 127.0.0.1:8081 (--admin names another address)".to_owned(),
        ));
        let failed = lines(&mut screen, 40, 24).join("\n");
        assert!(failed.contains("--admin"), "{failed}");
        assert!(
            failed.contains("us-1") && failed.contains("$ saved"),
            "{failed}"
        );
    }

    #[test]
    fn a_small_terminal_is_no_failure() {
        let mut screen = screen();
        screen.take(Ok(rates()));
        for (width, height) in [(1, 1), (10, 3), (20, 8), (400, 100)] {
            lines(&mut screen, width, height);
        }
    }

    #[test]
    fn the_graph_is_bounded() {
        let mut screen = screen();
        for _ in 0..1000 {
            screen.take(Ok(rates()));
        }
        assert_eq!(screen.history.len(), 400);
    }
}

//! What becomes of deliveries.

use super::*;

#[tokio::test]
async fn a_poison_event_is_given_up_and_the_others_pass() {
    let fixture = Fixture::new().await;
    let (poison, panics, good) = (
        event("record.created"),
        event("record.created"),
        event("record.created"),
    );
    let heard = Heard::default();
    let (noted, bad, worse) = (heard.clone(), poison.id, panics.id);
    fixture
        .consume(spec(2), move |event| {
            noted.note(&event);
            async move {
                assert!(event.id != worse, "a handler's mistake");
                if event.id == bad {
                    Err(Failure::Retry("never works".into()))
                } else {
                    Ok(())
                }
            }
        })
        .await;
    for event in [&poison, &panics, &good] {
        fixture.broker.publish(event).await.unwrap();
    }
    let dead = [fixture.take_dead().await, fixture.take_dead().await];
    let mut dead = dead.map(|body| serde_json::from_slice::<Event>(&body).unwrap().id);
    dead.sort();
    let mut expected = [poison.id, panics.id];
    expected.sort();
    assert_eq!(dead, expected);
    assert_eq!(
        (heard.times(&poison), heard.times(&panics), heard.times(&good)),
        (3, 3, 1)
    );
}

#[tokio::test]
async fn rejected_and_undecodable_messages_go_to_the_dead_letter_queue_at_once() {
    let fixture = Fixture::new().await;
    let bad = event("record.created");
    let heard = Heard::default();
    let (noted, id) = (heard.clone(), bad.id);
    fixture
        .consume(spec(5), move |event| {
            noted.note(&event);
            async move {
                if event.id == id {
                    Err(Failure::Reject("cannot be".into()))
                } else {
                    Ok(())
                }
            }
        })
        .await;
    fixture.broker.publish(&bad).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<Event>(&fixture.take_dead().await).unwrap(),
        bad
    );
    assert_eq!(heard.times(&bad), 1);

    for body in [&b"{\"specversion\":"[..], b"", b"\xff\xfe", b"[1]"] {
        let raw = Outgoing::copy(
            format!("{}.listener", fixture.settings.namespace).into(),
            &lapin::BasicProperties::default(),
            body,
        );
        fixture.broker.publisher.publish(raw).await.unwrap();
        assert_eq!(fixture.take_dead().await, body);
    }
}

#[tokio::test]
async fn what_fails_because_something_is_away_is_never_given_up() {
    let fixture = Fixture::new().await;
    let wanted = event("record.created");
    let (calls, id) = (Arc::new(AtomicUsize::new(0)), wanted.id);
    let counted = calls.clone();
    fixture
        .consume(spec(1), move |event| {
            let away = event.id == id && counted.fetch_add(1, Ordering::SeqCst) < 5;
            async move {
                if away {
                    Err(Failure::Unavailable("the database".into()))
                } else {
                    Ok(())
                }
            }
        })
        .await;
    fixture.broker.publish(&wanted).await.unwrap();
    eventually("it is handled in the end", async || {
        calls.load(Ordering::SeqCst) == 6
    })
    .await;
    fixture.stop().await;
    assert_eq!(fixture.take("listener.dead").await, None);
    assert_eq!(fixture.take("listener").await, None);
}

#[tokio::test]
async fn stopping_finishes_what_is_in_work_and_acknowledges_it() {
    let fixture = Fixture::new().await;
    let (begun, finished) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begin, finish) = (begun.clone(), finished.clone());
    let slow = event("record.slow");
    let id = slow.id;
    fixture
        .consume(spec(1), move |event| {
            let (begin, finish) = (begin.clone(), finish.clone());
            async move {
                if event.id == id {
                    begin.store(true, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(400)).await;
                    finish.store(true, Ordering::SeqCst);
                }
                Ok(())
            }
        })
        .await;
    fixture.broker.publish(&slow).await.unwrap();
    eventually("the handler began", async || begun.load(Ordering::SeqCst)).await;
    fixture.stop().await;
    assert!(finished.load(Ordering::SeqCst));
    assert_eq!(fixture.take("listener").await, None);
}

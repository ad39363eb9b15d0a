"""The record of bench/on-a-gpu.sh as Markdown."""


def of(record, part):
    return [one for one in record["results"] if one["part"] == part]


def table(head, rows):
    aligned = ["---" if number == 0 else "---:" for number in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, aligned, *rows])


def span(rate):
    return f"{rate.get('q1', rate['min']):,.0f} .. {rate.get('q3', rate['max']):,.0f}"


def failed(one, width):
    """The cells of a row without values."""
    return [one["name"], *["-"] * (width - 2), f"{one['status']}: {one['message']}".replace("|", "/")]


def note(one):
    return "" if one["status"] == "ok" else f"{one['status']}: {one['message']}".replace("|", "/")


def speed_rows(record):
    for one in of(record, "speed"):
        values = one["values"]
        if not values:
            yield failed(one, 7)
            continue
        rate = values["images_per_second"]
        yield [one["name"], f"{rate['median']:,.0f}", span(rate), f"{1e6 * values['step_s']:,.1f}",
               f"{values['gflop_per_second']:,.0f}", f"{values['test_accuracy']:.4f}", note(one)]


def model_rows(record):
    for one in of(record, "models"):
        values = one["values"]
        if not values:
            yield failed(one, 7)
            continue
        middle, steps = values["per_model_s"] * values["models"], values["step_s"]
        ratio = lambda key: f"{values[key]:.3f}" if values[key] else "-"
        yield [one["name"], f"{1e6 * middle:,.1f}", f"{1e6 * min(steps):,.1f} .. {1e6 * max(steps):,.1f}",
               f"{1e6 * values['per_model_s']:,.2f}", ratio("to_one"), ratio("group_to_one"), note(one)]


def target_rows(record):
    for one in of(record, "target"):
        values = one["values"]
        if not values:
            yield failed(one, 6)
            continue
        last = values["accuracy"][-1]
        yield [one["name"], "yes" if values["reached"] else f"no: {last:.4f}", len(values["accuracy"]), f"{values['train_s']:.2f}",
               f"{values['wall_s']:.2f}", note(one)]


def peer_rows(record):
    for one in of(record, "peers"):
        values = one["values"]
        if not values:
            yield failed(one, 6)
            continue
        rate, ratio = values["images_per_second"], values["ratio"]
        yield [one["name"], f"{rate['median']:,.0f}", span(rate), f"{ratio:.2f}" if ratio else "-",
               f"{values['test_accuracy']:.4f}", note(one)]


def device(record):
    """The line of the device: gpu-mlp's own words."""
    for one in of(record, "speed"):
        if one["values"]:
            found = one["values"]["device"]
            words = [found["adapter"], found["backend"], found["driver"]]
            kind = {"gpu": "GPU", "software": "software adapter, not a GPU", "cpu": "CPU engine, not a GPU"}[found["class"]]
            return f"{kind}: {', '.join(filter(None, words))}; host: {found['processor']}"
    return "device: no speed was measured"


def markdown(record):
    python = record["python"]
    lines = [f"## {record['program']} on a GPU", "", device(record), "",
             f"data: {record['data']}; torch {python['torch']}, jax {python['jax']}; {record['wall_s']:.0f} of "
             f"{record['budget_s']:.0f} s used; ended: {record['ended']}", ""]
    rows = []
    for part in ["devices", "exact", "parity", "share"]:
        for one in of(record, part):
            last = ((one["values"] or {}).get("text") or "").strip().splitlines()[-1:]
            rows.append([one["name"], one["status"], f"{one['seconds']:.1f}", note(one) or "".join(last).strip()])
    lines += [table(["check", "status", "s", ""], rows), ""]
    for title, head, rows in [
        ("Training speed, images per second",
         ["config", "images/s", "quartiles", "µs per step", "GFLOP/s", "test accuracy", ""], speed_rows(record)),
        ("Models of configuration S at once; to one: over the time of a single model",
         ["", "µs per step", "range", "µs per model", "to one, per model", "to one, group", ""], model_rows(record)),
        ("Time to 98 % test accuracy, net and settings of K", ["", "reached", "epochs", "training s", "whole process s", ""],
         target_rows(record)),
        ("Other trainers; ratio: speed of gpu-mlp in f32 over theirs",
         ["trainer", "images/s", "range", "ratio", "test accuracy", ""], peer_rows(record)),
    ]:
        rows = list(rows)
        if rows:
            lines += [f"### {title}", "", table(head, rows), ""]
    return "\n".join(lines)

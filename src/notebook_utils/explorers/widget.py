"""An explorer as ipywidgets: any value, drawn live."""

import html

import ipywidgets as widgets

from notebook_utils.explorers.controls import Choice
from notebook_utils.plotting import to_svg


def build_widget(explorer):
    """Build the live widget of an explorer.

    Parameters
    ----------
    explorer : notebook_utils.explorers.core.Explorer

    Returns
    -------
    ipywidgets.VBox
        With the attributes ``controls`` (name to widget), ``picture`` (an SVG image)
        and ``readout`` (HTML). An error while drawing is shown in the read-out and
        raised again, so that it cannot hide.
    """
    controls = {control.name: _input(control) for control in explorer.fixed}
    rows = list(controls.values())
    steps = explorer.steps
    if steps is not None:
        last = explorer.last_step(explorer.values())
        position = widgets.IntSlider(
            value=steps.default, min=0, max=last, description=steps.label, **_wide()
        )
        play = widgets.Play(value=steps.default, min=0, max=last, interval=500)
        widgets.jslink((play, "value"), (position, "value"))
        widgets.jslink((position, "max"), (play, "max"))
        controls[steps.name] = position
        rows.append(widgets.HBox([position, play]))
    picture = widgets.Image(
        format="svg+xml", layout=widgets.Layout(width="100%", max_width="720px")
    )
    readout = widgets.HTML()
    busy = False

    def draw(_=None):
        nonlocal busy
        if busy:
            return
        values = {name: control.value for name, control in controls.items()}
        try:
            if steps is not None:
                last = explorer.last_step(values)
                values[steps.name] = min(values[steps.name], last)
                # a lower maximum moves the position: that is no second event
                busy = True
                controls[steps.name].max = last
                busy = False
            picture.value = to_svg(
                explorer.figure(**values),
                alt=explorer.description,
                view=explorer.part(**values),
            ).encode()
            lines = explorer.read(**values).items()
            readout.value = "".join(
                f"<div><b>{html.escape(k)}:</b> {html.escape(v)}</div>"
                for k, v in lines
            )
        except Exception as error:
            readout.value = (
                f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"
            )
            raise

    def choose(setting):
        nonlocal busy
        values = explorer.values(**setting)
        busy = True  # several controls change, the picture is drawn once
        if steps is not None:
            controls[steps.name].max = explorer.last_step(values)
        for name, value in values.items():
            controls[name].value = value
        busy = False
        draw()

    buttons = []
    for label, setting in explorer.presets:
        button = widgets.Button(description=label, layout=widgets.Layout(width="auto"))
        button.on_click(lambda _, setting=setting: choose(setting))
        buttons.append(button)
    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    title = widgets.HTML(f"<b>{html.escape(explorer.title)}</b>")
    box = widgets.VBox(
        [
            title,
            widgets.HBox(buttons, layout={"flex_flow": "row wrap"}),
            *rows,
            picture,
            readout,
        ]
    )
    box.controls, box.picture, box.readout, box.presets = (
        controls,
        picture,
        readout,
        buttons,
    )
    return box


def _wide():
    return {
        "style": {"description_width": "initial"},
        "layout": widgets.Layout(width="360px"),
    }


def _input(control):
    if isinstance(control, Choice):
        return widgets.Dropdown(
            options=control.page,
            value=control.default,
            description=control.label,
            **_wide(),
        )
    numbers = (control.low, control.high, control.step, *control.page)
    whole = all(isinstance(number, int) for number in numbers)
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    ends = {
        "min": control.low,
        "max": control.high,
        "step": control.step,
        "value": control.default,
    }
    written = {} if whole else {"readout_format": ".4g"}  # else 0.001 reads 0.00
    return kind(description=control.label, **ends, **written, **_wide())
